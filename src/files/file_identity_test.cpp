#include "files/file_identity.h"

#include "files/cached_file.h"
#include "files/entity_tag.h"
#include "http/http_date.h"

#include <gtest/gtest.h>

namespace sallyport::files {
namespace {

struct stat status_of(std::int64_t modified) {
  struct stat status{};
  status.st_mode = S_IFREG;
  status.st_size = 5;
  status.st_mtim.tv_sec = modified;
  return status;
}

TEST(FileIdentity, ChangesWithAllThatTellsOfAChange) {
  struct stat status = status_of(1);
  const FileIdentity before(status);
  EXPECT_EQ(FileIdentity(status), before);
  status.st_atim.tv_sec = 1;
  EXPECT_EQ(FileIdentity(status), before);
  const auto differs = [&](auto& member) {
    const auto old = member;
    ++member;
    const FileIdentity now(status);
    member = old;
    return now != before;
  };
  EXPECT_TRUE(differs(status.st_dev));
  EXPECT_TRUE(differs(status.st_ino));
  EXPECT_TRUE(differs(status.st_size));
  EXPECT_TRUE(differs(status.st_mtim.tv_sec));
  EXPECT_TRUE(differs(status.st_mtim.tv_nsec));
  EXPECT_TRUE(differs(status.st_ctim.tv_sec));
  EXPECT_TRUE(differs(status.st_ctim.tv_nsec));
}

TEST(FileIdentity, KnowsEveryYear) {
  for (const std::int64_t year : {2263, 2300, 9999, 1'000'000}) {
    const std::int64_t seconds = (year - 1970) * 31'556'952;
    EXPECT_EQ(FileIdentity(status_of(seconds)).modified.seconds, seconds);
  }
  EXPECT_EQ(FileIdentity(status_of(-9'999'999'999)).modified.seconds, -9'999'999'999);
}

TEST(FileIdentity, IsSettledATickAfterItChanged) {
  FileIdentity identity;
  identity.changed = {1000, 500'000'000};
  EXPECT_FALSE(is_settled(identity, {1000, 500'000'000}));
  EXPECT_TRUE(is_settled(identity, {1000, 500'000'001}));
  EXPECT_TRUE(is_settled(identity, {1001, 0}));
  EXPECT_TRUE(is_settled(identity, {900'000'000'000'000, 0}));
  // The clock was set, or is another machine's: a little ahead, or far.
  EXPECT_FALSE(is_settled(identity, {1000, 490'000'000}));
  EXPECT_FALSE(is_settled(identity, {998, 0}));
  EXPECT_TRUE(is_settled(identity, {997, 0}));
  EXPECT_TRUE(is_settled(identity, {-900'000'000'000'000, 0}));
  // Whole seconds: there are no others on that file system.
  identity.changed = {1000, 0};
  EXPECT_FALSE(is_settled(identity, {1001, 999'999'999}));
  EXPECT_TRUE(is_settled(identity, {1002, 0}));
}

TEST(CachedFile, HasOnlyDatesThatHttpCanSayAndThatAreOver) {
  const auto last_modified = [](std::int64_t modified, std::int64_t now) {
    CachedFile file;
    file.identity = FileIdentity(status_of(modified));
    file.seen_at({now, 0});
    EXPECT_EQ(file.validators.modified, modified);
    return file.last_modified;
  };
  constexpr std::int64_t now = 1'800'000'000;
  EXPECT_EQ(last_modified(784'111'777, now), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(last_modified(now - 1, now), http::format_http_date(now - 1));
  EXPECT_EQ(last_modified(now, now), "");
  EXPECT_EQ(last_modified(10'413'792'000, now), "");
  EXPECT_EQ(last_modified(67'768'036'191'676'799, now), "");
  EXPECT_EQ(last_modified(http::first_http_date, now), "Mon, 01 Jan 0001 00:00:00 GMT");
  EXPECT_EQ(last_modified(http::first_http_date - 1, now), "");
  EXPECT_EQ(last_modified(-67'768'036'191'676'799, now), "");
}

TEST(CachedFile, ADateIsStrongWhereNothingChangedSince) {
  CachedFile file;
  file.identity.modified = file.identity.changed = {1000, 5};
  file.seen_at({1000, 999'999'999});
  EXPECT_FALSE(file.validators.date_is_strong);
  file.seen_at({1001, 0});
  EXPECT_TRUE(file.validators.date_is_strong);
  EXPECT_NE(file.last_modified, "");
  // The clock was set back.
  file.seen_at({1000, 0});
  EXPECT_FALSE(file.validators.date_is_strong);
  EXPECT_EQ(file.last_modified, "");
  file.identity.changed = {1500, 0};
  file.seen_at({2000, 0});
  EXPECT_FALSE(file.validators.date_is_strong);
}

TEST(EntityTag, IsQuotedAndTellsContentsAndStatesApart) {
  EXPECT_EQ(content_etag({}), "\"e3b0c44298fc1c149afbf4c8996fb924\"");
  EXPECT_EQ(content_etag(as_bytes("hello")), "\"2cf24dba5fb0a30e26e83b2ac5b9e29e\"");
  FileIdentity identity;
  identity.size = 255;
  identity.modified = {16, 10};
  identity.changed = {17, 11};
  identity.inode = 12345;
  EXPECT_EQ(state_etag(identity, EtagParts::size_mtime_ctime), "\"ff-10.a-11.b\"");
  EXPECT_EQ(state_etag(identity, EtagParts::size_mtime), "\"ff-10.a\"");
  identity.modified = {-1, 0};
  EXPECT_EQ(state_etag(identity, EtagParts::size_mtime), "\"ff-ffffffffffffffff.0\"");
}

}  // namespace
}  // namespace sallyport::files
