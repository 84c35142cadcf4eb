// For tests of recordings: a temporary folder, and reading a file.
#pragma once

#include "base/folder_for_test.h"

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

}  // namespace sallyport::trace::test
