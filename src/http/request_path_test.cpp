#include "http/request_path.h"

#include <gtest/gtest.h>

namespace sallyport::http {
namespace {

TEST(RequestPath, IsAmbiguousWhereABackendMayResolveIt) {
  for (const char* path :
       {"/a/../b", "/a/%2e%2E/b", "/..", "/.", "/a/.", "/./a", "/a/..%2fb", "/a%2F../b", "/a%5c..%5Cb",
        "/a\\..\\b", "/a/..;x/b", "/a/.;/b", "/a/..;x=..;y", "/a/%2e.;", ".."})
    EXPECT_TRUE(is_ambiguous_path(path)) << path;
  for (const char* path :
       {"", "/", "/a", "//a", "/...", "/a/..b/.c/c..", "/a;../b", "/a%2fb", "/a%252e%252e/b", "/%", "/%2",
        "/a/%zz", "*", "/;", "/.well-known/x", "/a/b;c=../d"})
    EXPECT_FALSE(is_ambiguous_path(path)) << path;
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
    EXPECT_EQ(normalized_path(path, buffer), same);
  }
}

TEST(RequestPath, ParametersOfTheQuery) {
  EXPECT_EQ(query_parameter("/a", "a"), std::nullopt);
  EXPECT_EQ(query_parameter("/a?", "a"), std::nullopt);
  EXPECT_EQ(query_parameter("/a?b=1&a=2&a=3", "a"), "2");
  EXPECT_EQ(query_parameter("/a?a", "a"), "");
  EXPECT_EQ(query_parameter("/a?a=b=c&", "a"), "b=c");
  EXPECT_EQ(query_parameter("/a?%61=x%20y+z%2", "a"), "x y z%2");
  EXPECT_EQ(query_parameter("/a?ab=1&&A=2", "a"), std::nullopt);
}

}  // namespace
}  // namespace sallyport::http
