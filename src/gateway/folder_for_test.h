// A folder of files for the tests of what serves them; gone when the test is.
#pragma once

#include "base/folder_for_test.h"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace sallyport::gateway {

class FolderForTest : public sallyport::FolderForTest {
 public:
  std::filesystem::path operator/(const std::string& name) const { return path() / name; }
  std::filesystem::path path() const { return sallyport::FolderForTest::path(); }
  /// Makes folders as needed. `age`: how many seconds ago it was changed last.
  void write(const std::string& name, std::string_view content, int age = 100) const {
    std::filesystem::create_directories((path() / name).parent_path());
    std::ofstream(path() / name, std::ios::binary | std::ios::trunc) << content;
    set_age(name, age);
  }
  void set_age(const std::string& name, int age) const {
    std::filesystem::last_write_time(
        path() / name, std::filesystem::file_time_type::clock::now() - std::chrono::seconds(age));
  }
};

/// `size` bytes that differ from place to place.
inline std::string pattern(std::size_t size) {
  std::string out(size, '\0');
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<char>((i * 31 + i / 251) & 0xff);
  return out;
}

}  // namespace sallyport::gateway
