"""A finished run without any job: a placeholder under every declared name, and Snakemake's own memory of having made it."""

from tests.workflow.project import Project


def finish(project: Project, *words: str) -> list[str]:
    """Make everything that a command would make look made; returns the names."""
    said = project.run(*words, "--summary")
    assert said.returncode == 0, said.stderr[-3000:]
    names = [line.split("\t")[0] for line in said.stdout.splitlines()[1:]]
    for name in names:
        path = project.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}\n")
    done = project.run(*words, "--touch", "--forceall", "--cores", "1", "--quiet")
    assert done.returncode == 0, done.stderr[-3000:]
    return names
