// For trace's tests only: a folder of their own that goes with them, and the samples beside the sources.
#pragma once

#include "base/folder_for_test.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <gtest/gtest.h>

namespace sallyport::trace::test {

using Folder = FolderForTest;

inline std::string content_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.is_open()) << path;
  return {std::istreambuf_iterator<char>(in), {}};
}

inline std::string sample(const std::string& name) {
  return (std::filesystem::path(__FILE__).parent_path() / "testdata" / name).string();
}

}  // namespace sallyport::trace::test
