# Read by each bash that a test's Snakemake starts (BASH_ENV): verbs are forked by tests/workflow/verbs.py.
_verbs_client="${BASH_SOURCE[0]%/*}/client.py"
python() {
  if [ "${1-} ${2-}" = "-m aurorascope" ] && [ -n "${VERBS_SOCKET-}" ]; then
    command python -I -S "$_verbs_client" "$@"
  else
    command python "$@"
  fi
}
