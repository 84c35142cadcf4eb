#include "ingress/request_path.h"

#include <gtest/gtest.h>

namespace sallyport::ingress {
namespace {

TEST(RequestPath, IsAmbiguousWhereABackendMayResolveIt) {
  for (const char* path :
       {"/a/../b", "/a/%2e%2E/b", "/..", "/.", "/a/.", "/./a", "/a/..%2fb", "/a%2F../b", "/a%5c..%5Cb",
        "/a\\..\\b", "/a/..;x/b", "/a/.;/b", "/a/..;x=..;y", "/a/%2e.;", ".."})
    EXPECT_TRUE(is_ambiguous(path)) << path;
  for (const char* path :
       {"", "/", "/a", "//a", "/...", "/a/..b/.c/c..", "/a;../b", "/a%2fb", "/a%252e%252e/b", "/%", "/%2",
        "/a/%zz", "*", "/;", "/.well-known/x", "/a/b;c=../d"})
    EXPECT_FALSE(is_ambiguous(path)) << path;
}

TEST(RequestPath, IsComparedInOneForm) {
  for (const auto& [path, same] :
       std::initializer_list<std::pair<const char*, const char*>>{{"/a/b", "/a/b"},
                                                                  {"/%61dm%69n", "/admin"},
                                                                  {"/caf%c3%a9", "/caf%C3%A9"},
                                                                  {"/a%2fb%7E", "/a%2Fb~"},
                                                                  {"/100%", "/100%"},
                                                                  {"/%zz%4", "/%zz%4"},
                                                                  {"", ""}}) {
    std::string buffer;
    EXPECT_EQ(normalized(path, buffer), same);
  }
}

}  // namespace
}  // namespace sallyport::ingress
