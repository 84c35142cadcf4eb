// A folder of files for the tests of what serves them; gone when the test is.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sallyport::gateway {

class FolderForTest {
 public:
  FolderForTest() {
    std::string name = std::filesystem::temp_directory_path() / "sallyport-test-XXXXXX";
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    path_ = name;
  }
  ~FolderForTest() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  FolderForTest(const FolderForTest&) = delete;
  FolderForTest& operator=(const FolderForTest&) = delete;

  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }
  /// Makes folders as needed. `age`: how many seconds ago it was changed last.
  void write(const std::string& name, std::string_view content, int age = 100) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name, std::ios::binary | std::ios::trunc) << content;
    set_age(name, age);
  }
  void set_age(const std::string& name, int age) const {
    std::filesystem::last_write_time(
        path_ / name, std::filesystem::file_time_type::clock::now() - std::chrono::seconds(age));
  }

 private:
  std::filesystem::path path_;
};

/// `size` bytes that differ from place to place.
inline std::string pattern(std::size_t size) {
  std::string out(size, '\0');
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<char>((i * 31 + i / 251) & 0xff);
  return out;
}

}  // namespace sallyport::gateway
