// FileIdentity: identifies one state of a file or folder, to detect changes. Used by the file server's cache
// and transfers, and for token files.
#pragma once

#include <compare>
#include <cstdint>

#include <sys/stat.h>

namespace sallyport::files {

/// A file system's timestamp, since 1970. Two numbers, because 64-bit nanoseconds end in 2262.
struct FileTime {
  std::int64_t seconds = 0;
  std::int64_t nanoseconds = 0;  ///< 0 to 999,999,999
  friend auto operator<=>(const FileTime&, const FileTime&) = default;
};

/// The kernel's clock for file timestamps, which advances in ticks of up to 10 ms.
FileTime wall_clock_now();

/// Changes when the file is replaced or written to; also when only its mode, owner or names change, because
/// ctime covers all of these. Unlike mtime, ctime cannot be set back (cp -a and tar set mtime).
struct FileIdentity {
  std::uint64_t device = 0, inode = 0, size = 0;
  FileTime modified, changed;  ///< mtime, ctime
  std::uint64_t links = 0;     ///< number of hard links
  std::uint32_t mode = 0, owner = 0, group = 0;

  explicit FileIdentity(const struct stat& from);
  FileIdentity() = default;
  bool is_folder() const { return S_ISDIR(mode); }
  bool is_link() const { return S_ISLNK(mode); }
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

/// Whether a file in this state at `now` can have had only one content. False within the clock tick of a
/// change: a second change in the same tick is not visible.
bool is_settled(const FileIdentity& identity, FileTime now);

}  // namespace sallyport::files
