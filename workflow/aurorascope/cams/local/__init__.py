"""The user's own files: which there are, what each holds, and which of them a day is made of. They are never changed."""
