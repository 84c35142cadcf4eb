// A temporary folder of files for the file server's tests.
#pragma once

#include "base/folder_for_test.h"

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <sys/stat.h>

namespace sallyport::files {

class FolderForTest : public sallyport::FolderForTest {
 public:
  std::filesystem::path operator/(const std::string& name) const { return path() / name; }
  std::filesystem::path path() const { return sallyport::FolderForTest::path(); }
  /// Makes folders as needed. `age`: how many seconds ago it was last modified.
  void write(const std::string& name, std::string_view content, int age = 100) const {
    std::filesystem::create_directories((path() / name).parent_path());
    std::ofstream(path() / name, std::ios::binary | std::ios::trunc) << content;
    set_age(name, age);
  }
  void set_age(const std::string& name, int age) const {
    std::filesystem::last_write_time(
        path() / name, std::filesystem::file_time_type::clock::now() - std::chrono::seconds(age));
  }
  /// Seconds since 1970, in any year that the file system knows.
  void set_date(const std::string& name, std::int64_t seconds) const {
    const std::array<timespec, 2> times{timespec{.tv_sec = 0, .tv_nsec = UTIME_OMIT},
                                        timespec{.tv_sec = seconds, .tv_nsec = 0}};
    EXPECT_EQ(::utimensat(AT_FDCWD, (path() / name).c_str(), times.data(), 0), 0);
  }
  /// Overwrites an existing file with `content` of the same length and restores its mtime, as cp -a and tar
  /// do. Only ctime changes; where that advances in ticks, in the next tick.
  void write_over(const std::string& name, std::string_view content) const {
    const auto before = state(name);
    EXPECT_EQ(static_cast<std::size_t>(before.st_size), content.size());
    struct stat now{};
    do {
      std::ofstream(path() / name, std::ios::binary | std::ios::in) << content;
      const std::array<timespec, 2> times{before.st_atim, before.st_mtim};
      EXPECT_EQ(::utimensat(AT_FDCWD, (path() / name).c_str(), times.data(), 0), 0);
      now = state(name);
    } while (now.st_ctim.tv_sec == before.st_ctim.tv_sec && now.st_ctim.tv_nsec == before.st_ctim.tv_nsec);
    EXPECT_EQ(now.st_ino, before.st_ino);
  }
  struct stat state(const std::string& name) const {
    struct stat status{};
    EXPECT_EQ(::stat((path() / name).c_str(), &status), 0);
    return status;
  }
};

/// `size` bytes that differ from place to place.
inline std::string pattern(std::size_t size) {
  std::string out(size, '\0');
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<char>((i * 31 + i / 251) & 0xff);
  return out;
}

}  // namespace sallyport::files
