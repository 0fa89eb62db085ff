"""A release on the Hugging Face hub: one commit of it, whose files are downloaded, each once, when they are asked for.

The hub's own client keeps them in its cache (`HF_HOME`); `HF_HUB_OFFLINE=1` has it ask nobody.
"""

import logging
import re
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import (
    _CACHED_NO_EXIST,
    constants,
    get_hf_file_metadata,
    hf_hub_download,
    hf_hub_url,
    scan_cache_dir,
    try_to_load_from_cache,
)
from huggingface_hub.errors import (
    CacheNotFound,
    EntryNotFoundError,
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import validate_repo_id

from aurorascope.errors import UserError

INDEX = "sae_index.json"
_COMMIT = re.compile("[0-9a-f]{40}")
_BRANCH = "main"
# What the client raises: no answer, a refusal, a file that is neither on the hub nor in the cache, a disk that is full.
_ERRORS = (OSError, HTTPError, EntryNotFoundError)
_LOG = logging.getLogger("aurorascope")


@dataclass(frozen=True)
class Repository:
    """One commit of a model repository on the hub.

    Attributes:
        name: `user/repo`.
        commit: its 40 hexadecimal digits.
    """

    name: str
    commit: str

    @classmethod
    def at(cls, name: str, revision: str | None) -> "Repository":
        """The repository at a revision.

        Args:
            name: `user/repo`.
            revision: a commit, which is taken as it is; a branch or tag, whose commit the hub is asked for, once; None is the
                branch main, or, where the hub is not reached, the newest commit in the cache.

        Raises:
            UserError: there is no such repository or revision, or the hub is not reached and the cache has none.
        """
        try:
            validate_repo_id(name)
        except HFValidationError as error:
            raise UserError("a repository on the hub", "its name, user/repo", repr(name), "correct it") from error
        if revision is not None and _COMMIT.fullmatch(revision):
            return cls(name, revision)
        branch = revision or _BRANCH
        try:
            commit = get_hf_file_metadata(hf_hub_url(name, INDEX, revision=branch)).commit_hash
            # By the branch, so that the cache remembers which commit it was.
            hf_hub_download(name, INDEX, revision=branch)
        except _ERRORS as error:
            if not _is_unreached(error):
                raise _explained(error, f"{name}@{branch}", INDEX) from error
            commit = _cached(name, branch) or (_last_cached(name) if revision is None else None)
            if commit is None:
                raise _explained(error, f"{name}@{branch}", INDEX) from error
            which = "the newest in the cache" if revision is None else f"{revision} when it was cached"
            _LOG.warning("%s: the hub is not reached; this is commit %s, %s.", name, commit, which)
        else:
            _LOG.info("%s: %s is commit %s.", name, branch, commit)
        return cls(name, commit)

    def __str__(self) -> str:
        return f"{self.name}@{self.commit[:12]}"

    def fetch(self, name: str) -> Path:
        """Path of a file in the cache, downloaded if it is not there.

        Raises:
            UserError: the repository has no such file, or it can be neither downloaded nor found in the cache.
        """
        try:
            return Path(hf_hub_download(self.name, name, revision=self.commit))
        except _ERRORS as error:
            raise _explained(error, str(self), name) from error

    def lacks(self, name: str) -> bool:
        """Whether the hub has said that there is no such file; it is asked once."""
        if try_to_load_from_cache(self.name, name, revision=self.commit) is None:
            try:
                hf_hub_download(self.name, name, revision=self.commit)
            except _ERRORS as error:
                if _is_unreached(error):
                    raise _explained(error, str(self), name) from error
        return try_to_load_from_cache(self.name, name, revision=self.commit) is _CACHED_NO_EXIST

    def again(self, name: str) -> str:
        """How a file that is damaged in the cache comes back."""
        path = try_to_load_from_cache(self.name, name, revision=self.commit)
        remove = f"rm -f {Path(path).resolve()} {path}, then " if isinstance(path, str) else ""
        return f"{remove}ask for it again; if it stays so, the files of {self} do not belong together: give another revision"


def _is_unreached(error: Exception) -> bool:
    """Whether nobody has answered, or only that it cannot."""
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code >= 500
    return isinstance(error, OfflineModeIsEnabled | HTTPError | LocalEntryNotFoundError)


def _cached(name: str, branch: str) -> str | None:
    """Commit of a branch or tag when its index was cached last."""
    path = try_to_load_from_cache(name, INDEX, revision=branch)
    return Path(path).parent.name if isinstance(path, str) else None


def _last_cached(name: str) -> str | None:
    """The commit whose index was cached last."""
    try:
        repositories = scan_cache_dir(constants.HF_HUB_CACHE).repos
    except CacheNotFound:
        return None
    found = [
        ((revision.snapshot_path / INDEX).lstat().st_mtime_ns, revision.commit_hash)
        for repository in repositories
        if (repository.repo_id, repository.repo_type) == (name, "model")
        for revision in repository.revisions
        if (revision.snapshot_path / INDEX).exists()
    ]
    return max(found)[1] if found else None


def _explained(error: Exception, where: str, file: str) -> UserError:
    """What went wrong with a file, as the error that a user reads."""
    if isinstance(error, RevisionNotFoundError):
        return UserError(where, "a revision of the repository", "none of this name", "give a branch, a tag or a commit of 40 digits")
    if isinstance(error, RepositoryNotFoundError):
        fix = "correct the name; for a private one, log in first (hf auth login)"
        return UserError(where, "a model repository on the hub that you may read", "none", fix)
    if _is_unreached(error):
        fix = "connect to the network, without HF_HUB_OFFLINE, and ask again; or give a revision that is in the cache"
        return UserError(where, f"{file} from the hub or from its cache", "no answer, and no such file in the cache", fix)
    if isinstance(error, EntryNotFoundError):
        return UserError(where, f"the file {file} of a release", "no such file", "give another repository or revision")
    found = " ".join(str(error).split())[:300]
    return UserError(where, f"a download of {file}", found, "mend what it says and ask again, or give another revision")
