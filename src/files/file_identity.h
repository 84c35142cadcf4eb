// FileIdentity: what tells one state of a file or folder from the next. Used by what keeps files or what was
// read from them: the file server's cache and transfers, token files.
#pragma once

#include <compare>
#include <cstdint>

#include <sys/stat.h>

namespace sallyport::files {

/// A moment as file systems keep it, since 1970. In two numbers, as nanoseconds alone end in 2262.
struct FileTime {
  std::int64_t seconds = 0;
  std::int64_t nanoseconds = 0;  ///< 0 to 999,999,999
  friend auto operator<=>(const FileTime&, const FileTime&) = default;
};

/// By the clock with which the kernel dates files: it goes on by ticks of up to 10 ms.
FileTime wall_clock_now();

/// Changes when the file is replaced or written to; also when only its mode, owner or names change, as the
/// kernel keeps one time for all of that (ctime). That one cannot be set back, as the time of the last
/// writing can, which cp -a and tar do.
struct FileIdentity {
  std::uint64_t device = 0, inode = 0, size = 0;
  FileTime modified, changed;  ///< mtime, ctime
  std::uint64_t links = 0;     ///< names that it has
  std::uint32_t mode = 0, owner = 0, group = 0;

  explicit FileIdentity(const struct stat& from);
  FileIdentity() = default;
  bool is_folder() const { return S_ISDIR(mode); }
  bool is_link() const { return S_ISLNK(mode); }
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

/// Whether what was read from a file in this state at `now` is all that it can have held in it. Not so in the
/// tick of a change: another one within it shows nowhere.
bool is_settled(const FileIdentity& identity, FileTime now);

}  // namespace sallyport::files
