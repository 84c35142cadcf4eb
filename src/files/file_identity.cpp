#include "files/file_identity.h"

#include <ctime>

namespace sallyport::files {
namespace {

/// Some file systems know whole seconds only, the worst of them (FAT) every other one.
constexpr std::int64_t coarse_tick = 2;

}  // namespace

FileTime wall_clock_now() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return {now.tv_sec, now.tv_nsec};
}

FileIdentity::FileIdentity(const struct stat& from)
    : device(from.st_dev),
      inode(from.st_ino),
      size(static_cast<std::uint64_t>(from.st_size)),
      modified{from.st_mtim.tv_sec, from.st_mtim.tv_nsec},
      changed{from.st_ctim.tv_sec, from.st_ctim.tv_nsec},
      links(from.st_nlink),
      mode(from.st_mode),
      owner(from.st_uid),
      group(from.st_gid) {}

bool is_settled(const FileIdentity& identity, FileTime now) {
  const FileTime& changed = identity.changed;
  // The clock was set since, or is that of another machine and ahead; the next change gets another time.
  if (changed.seconds > now.seconds + coarse_tick) return true;
  if (changed.nanoseconds == 0) return changed.seconds <= now.seconds - coarse_tick;
  return changed < now;
}

}  // namespace sallyport::files
