"""Changes of Aurora's inputs: what is changed where, which features respond, how far it reaches, and what the forecast makes of it."""
