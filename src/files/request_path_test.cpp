#include "files/request_path.h"

#include "files/folder_page.h"
#include "files/media_type.h"

#include <gtest/gtest.h>

namespace sallyport::files {
namespace {

TEST(RequestPath, NamesWhatItShould) {
  struct Case {
    std::string_view path, relative;
    bool folder;
    std::string_view query;
  };
  for (const auto& [path, relative, folder, query] : {
           Case{"/", "", true, ""},
           Case{"/a", "a", false, ""},
           Case{"/a/", "a", true, ""},
           Case{"//a///b", "a/b", false, ""},
           Case{"/a%20b/%C3%A9.txt", "a b/\xC3\xA9.txt", false, ""},
           Case{"/a?b=/../c", "a", false, "?b=/../c"},
           Case{"/?", "", true, "?"},
           Case{"/%2541", "%41", false, ""},  // decoded once only
           Case{"/a..b/c.", "a..b/c.", false, ""},
           Case{"/.well-known/security.txt", ".well-known/security.txt", false, ""},
           Case{"/a\\b", "a\\b", false, ""},
       }) {
    const auto parsed = parse_request_path(path);
    ASSERT_TRUE(parsed) << path;
    EXPECT_EQ(parsed->relative, relative) << path;
    EXPECT_EQ(parsed->folder, folder) << path;
    EXPECT_EQ(parsed->query, query) << path;
  }
}

TEST(RequestPath, HidesDotSegmentsAndEncodedSlashes) {
  for (const std::string_view path :
       {"/..", "/../", "/a/../b", "/./a", "/%2e%2e/etc/passwd", "/.%2E/x", "/%2e/x", "/a/%2E%2E",
        "/.git/config", "/a/.htaccess", "/a%2fb", "/a%2Fb", "/..%2f..%2fetc/passwd", "/...", "/.well-known2",
        "/.well-known/.x"}) {
    const auto parsed = parse_request_path(path);
    ASSERT_FALSE(parsed) << path;
    EXPECT_EQ(parsed.error(), PathFault::hidden) << path;
  }
}

TEST(RequestPath, RefusesWhatIsMalformed) {
  using namespace std::string_view_literals;
  for (const auto path : {""sv, "a"sv, "*"sv, "?/a"sv, "/%"sv, "/%4"sv, "/%zz"sv, "/a%0"sv, "/a%00.txt"sv,
                          "/a\0b"sv, "/%-1"sv}) {
    const auto parsed = parse_request_path(path);
    ASSERT_FALSE(parsed) << path;
    EXPECT_EQ(parsed.error(), PathFault::malformed) << path;
  }
}

TEST(RequestPath, EncodingRoundTrips) {
  std::string every;
  for (int c = 1; c < 256; ++c) every += static_cast<char>(c);
  every.erase(every.find('/'), 1);
  const auto encoded = encode_path(every);
  EXPECT_EQ(encoded.find_first_of("<>\"'&?#% \r\n"), encoded.find('%'));
  const auto parsed = parse_request_path("/" + encoded);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->relative, every);
}

TEST(MediaType, GoesByTheLastExtension) {
  EXPECT_EQ(media_type("a/index.html"), "text/html; charset=utf-8");
  EXPECT_EQ(media_type("A.HTML"), "text/html; charset=utf-8");
  EXPECT_EQ(media_type("x.tar.gz"), "application/gzip");
  EXPECT_EQ(media_type("site.webmanifest"), "application/manifest+json");
  for (const auto* name : {"README", "a.b/c", "x.", "x.unknown", "x.averylongextension", ""})
    EXPECT_EQ(media_type(name), "application/octet-stream") << name;
}

TEST(FolderPage, EscapesForTextAndAttributes) {
  EXPECT_EQ(escape_html("<a href=\"x\">'&'</a>"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;");
}

}  // namespace
}  // namespace sallyport::files
