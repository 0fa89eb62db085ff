"""Room on a disk: bytes and inodes, which run out separately."""

from dataclasses import dataclass

_FILE_SYSTEM_BLOCK = 4096


@dataclass(frozen=True)
class Need:
    """Room that files take.

    Attributes:
        content: bytes inside the files.
        inodes: files and folders.
    """

    content: int = 0
    inodes: int = 0

    def __add__(self, other: "Need") -> "Need":
        return Need(self.content + other.content, self.inodes + other.inodes)

    def times(self, n: int) -> "Need":
        """The room of `n` such things."""
        return Need(self.content * n, self.inodes * n)

    def beyond(self, there: "Need") -> "Need":
        """What is still needed where `there` lies already; never negative."""
        return Need(max(0, self.content - there.content), max(0, self.inodes - there.inodes))

    @property
    def on_disk(self) -> int:
        """Bytes, and 4096 more for each file and folder: an upper bound of what a file system allocates."""
        return self.content + _FILE_SYSTEM_BLOCK * self.inodes


@dataclass(frozen=True)
class Free:
    """What a file system has left for its users.

    Attributes:
        disk: bytes.
        inodes: files and folders, or None where the file system does not count them.
    """

    disk: int
    inodes: int | None

    def holds(self, need: Need) -> bool:
        """Whether there is room."""
        return need.on_disk <= self.disk and (self.inodes is None or need.inodes <= self.inodes)


def total(needs: "list[Need]") -> Need:
    """The room of all of them."""
    return sum(needs, Need())
