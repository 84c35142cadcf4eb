#include "base/owned_name.h"

#include "base/file.h"
#include "base/folder_for_test.h"

#include <gtest/gtest.h>

namespace sallyport {
namespace {

class OwnedNameTest : public testing::Test {
 protected:
  OwnedName make() const {
    EXPECT_TRUE(write_file(path_, "ours", 0600, IfExists::replace));
    struct stat status{};
    EXPECT_EQ(::lstat(path_.c_str(), &status), 0);
    return {path_, status};
  }
  const FolderForTest folder_;
  const std::string path_ = folder_ / "name";
};

TEST_F(OwnedNameTest, GoesWithItsOwner) {
  {
    OwnedName name = make();
    const OwnedName moved = std::move(name);
    EXPECT_TRUE(file_exists(path_));
  }
  EXPECT_FALSE(file_exists(path_));
  {
    const OwnedName none;
  }
}

TEST_F(OwnedNameTest, IsLeftToWhoeverTookItOver) {
  for (const bool reuses_the_inode : {false, true}) {
    {
      const OwnedName name = make();
      struct stat before{}, now{};
      ASSERT_EQ(::lstat(path_.c_str(), &before), 0);
      if (reuses_the_inode) {  // as file systems like to
        ASSERT_EQ(::unlink(path_.c_str()), 0);
      }
      do {
        ASSERT_TRUE(write_file(path_, "another's", 0600, IfExists::replace));
        ASSERT_EQ(::lstat(path_.c_str(), &now), 0);
      } while (now.st_mtim.tv_sec == before.st_mtim.tv_sec && now.st_mtim.tv_nsec == before.st_mtim.tv_nsec);
    }
    EXPECT_EQ(read_file(path_, 100).value(), "another's");
  }
}

}  // namespace
}  // namespace sallyport
