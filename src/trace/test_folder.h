// For trace's tests only: a folder of their own that goes with them, and the samples beside the sources.
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

inline std::string sample(const std::string& name) {
  return std::string(SALLYPORT_TRACE_SAMPLES "/") + name;
}

}  // namespace sallyport::trace::test
