// The rules of field sections, row by row. The connections' tests show what a fault leads to.
#include "http/validation.h"

#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace sallyport::http {
namespace {

using Lines = std::vector<std::pair<std::string, std::string>>;

const Lines get{{":method", "GET"}, {":scheme", "https"}, {":authority", "a.test"}, {":path", "/"}};

Lines with(Lines lines, const Lines& more) {
  lines.insert(lines.end(), more.begin(), more.end());
  return lines;
}

struct Built {
  Request request;
  Verdict verdict;
  std::optional<std::uint64_t> content_length;
};

Built build_request(const Lines& lines, Version version = Version::http3, const Limits& limits = {},
                    bool extended_connect = true) {
  Built built;
  HeadBuilder builder(limits);
  builder.begin_request(built.request, version, extended_connect);
  for (const auto& [name, value] : lines) builder.add(name, value);
  built.verdict = builder.finish();
  built.content_length = builder.content_length();
  return built;
}

struct Row {
  const char* name;
  Lines lines;
  Fault expected = Fault::malformed;
};

class RequestRules : public testing::TestWithParam<Row> {};

TEST_P(RequestRules, TheSameForHttp2AndHttp3) {
  for (const Version version : {Version::http2, Version::http3}) {
    const Built built = build_request(GetParam().lines, version);
    EXPECT_EQ(built.verdict.fault, GetParam().expected) << to_string(version) << ": " << built.verdict.reason;
    EXPECT_EQ(built.verdict.reason.empty(), GetParam().expected == Fault::none);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Rows, RequestRules,
    testing::Values(
        // Fine
        Row{"get", get, Fault::none}, Row{"te_trailers", with(get, {{"te", "trailers"}}), Fault::none},
        Row{"obs_text", with(get, {{"x", "caf\xc3\xa9"}}), Fault::none},
        Row{"empty_value", with(get, {{"x", ""}}), Fault::none},
        Row{"tab_inside", with(get, {{"x", "a\tb"}}), Fault::none},
        Row{"host_agrees", with(get, {{"host", "A.test"}}), Fault::none},
        Row{"host_instead",
            {{":method", "GET"}, {":scheme", "https"}, {":path", "/"}, {"host", "a.test"}},
            Fault::none},
        Row{"options_asterisk",
            {{":method", "OPTIONS"}, {":scheme", "https"}, {":authority", "a"}, {":path", "*"}},
            Fault::none},
        Row{"connect", {{":method", "CONNECT"}, {":authority", "a.test:22"}}, Fault::none},
        Row{"connect_ipv6", {{":method", "CONNECT"}, {":authority", "[2001:db8::1]:22"}}, Fault::none},
        Row{"extended_connect",
            {{":method", "CONNECT"},
             {":protocol", "websocket"},
             {":scheme", "https"},
             {":authority", "a"},
             {":path", "/"}},
            Fault::none},
        Row{"scheme_in_capitals",
            {{":method", "GET"}, {":scheme", "HTTPS"}, {":authority", "a"}, {":path", "/"}},
            Fault::none},
        Row{"foreign_scheme",
            {{":method", "GET"}, {":scheme", "foo"}, {":authority", "a"}, {":path", "/"}},
            Fault::none},
        Row{"foreign_scheme_without_authority", {{":method", "GET"}, {":scheme", "foo"}, {":path", "/"}}},
        Row{"foreign_scheme_opaque_path",
            {{":method", "GET"}, {":scheme", "foo"}, {":authority", "a"}, {":path", "bar"}}},
        Row{"unknown_method",
            {{":method", "BREW"}, {":scheme", "https"}, {":authority", "a"}, {":path", "/"}},
            Fault::none},
        // Names and values (docs/threat-model.md, "field injection")
        Row{"capital", with(get, {{"Accept", "x"}})}, Row{"space_in_name", with(get, {{"a b", "x"}})},
        Row{"colon_in_name", with(get, {{"a:b", "x"}})}, Row{"empty_name", with(get, {{"", "x"}})},
        Row{"eight_bit_name", with(get, {{"caf\xc3\xa9", "x"}})}, Row{"cr", with(get, {{"x", "a\rb"}})},
        Row{"lf", with(get, {{"x", "a\nb"}})}, Row{"nul", with(get, {{"x", std::string(1, '\0')}})},
        Row{"delete", with(get, {{"x", "a\x7f"}})}, Row{"leading_space", with(get, {{"x", " a"}})},
        Row{"trailing_tab", with(get, {{"x", "a\t"}})},
        // Of one connection (docs/threat-model.md, "connection-specific field")
        Row{"connection", with(get, {{"connection", "x"}})},
        Row{"keep_alive", with(get, {{"keep-alive", "x"}})},
        Row{"proxy_connection", with(get, {{"proxy-connection", "x"}})},
        Row{"te", with(get, {{"te", "gzip, trailers"}})},
        Row{"transfer_encoding", with(get, {{"transfer-encoding", "chunked"}})},
        Row{"upgrade", with(get, {{"upgrade", "x"}})},
        // Pseudo-headers (docs/threat-model.md, "pseudo-header")
        Row{"no_method", {{":scheme", "https"}, {":authority", "a"}, {":path", "/"}}},
        Row{"no_scheme", {{":method", "GET"}, {":authority", "a"}, {":path", "/"}}},
        Row{"no_path", {{":method", "GET"}, {":scheme", "https"}, {":authority", "a"}}},
        Row{"no_authority", {{":method", "GET"}, {":scheme", "https"}, {":path", "/"}}}, Row{"nothing", {}},
        Row{"twice", with({{":method", "GET"}}, get)}, Row{"late", with({{"x", "y"}}, get)},
        Row{"unknown", with({{":foo", "x"}}, get)}, Row{"just_a_colon", with({{":", "x"}}, get)},
        Row{"status", with({{":status", "200"}}, get)},
        Row{"host_disagrees", with(get, {{"host", "b.test"}})},
        Row{"host_disagrees_in_port", with(get, {{"host", "a.test:1"}})},
        Row{"host_twice", with(get, {{"host", "a.test"}, {"host", "a.test"}})},
        Row{"empty_path", {{":method", "GET"}, {":scheme", "https"}, {":authority", "a"}, {":path", ""}}},
        Row{"relative_path", {{":method", "GET"}, {":scheme", "https"}, {":authority", "a"}, {":path", "x"}}},
        Row{"asterisk_for_get",
            {{":method", "GET"}, {":scheme", "https"}, {":authority", "a"}, {":path", "*"}}},
        Row{"space_in_path",
            {{":method", "GET"}, {":scheme", "https"}, {":authority", "a"}, {":path", "/a b"}}},
        Row{"fragment_in_path",
            {{":method", "GET"}, {":scheme", "https"}, {":authority", "a"}, {":path", "/a#b"}}},
        Row{"lf_in_path",
            {{":method", "GET"}, {":scheme", "https"}, {":authority", "a"}, {":path", "/a\nb"}}},
        Row{"user_information",
            {{":method", "GET"}, {":scheme", "https"}, {":authority", "me@a"}, {":path", "/"}}},
        Row{"empty_authority",
            {{":method", "GET"}, {":scheme", "https"}, {":authority", ""}, {":path", "/"}}},
        Row{"space_in_method",
            {{":method", "GET /"}, {":scheme", "https"}, {":authority", "a"}, {":path", "/"}}},
        Row{"bad_scheme", {{":method", "GET"}, {":scheme", "1s"}, {":authority", "a"}, {":path", "/"}}},
        Row{"connect_with_path", {{":method", "CONNECT"}, {":authority", "a:1"}, {":path", "/"}}},
        Row{"connect_with_scheme", {{":method", "CONNECT"}, {":authority", "a:1"}, {":scheme", "https"}}},
        Row{"connect_without_authority", {{":method", "CONNECT"}}},
        Row{"protocol_without_connect", with({{":protocol", "websocket"}}, get)},
        Row{"extended_connect_without_path",
            {{":method", "CONNECT"}, {":protocol", "x"}, {":scheme", "https"}, {":authority", "a"}}},
        Row{"extended_connect_without_authority",
            {{":method", "CONNECT"},
             {":protocol", "x"},
             {":scheme", "https"},
             {":path", "/"},
             {"host", "a"}}},
        // Content-length (docs/threat-model.md, "content-length" and "request smuggling")
        Row{"length_twice", with(get, {{"content-length", "1"}, {"content-length", "1"}})},
        Row{"length_list", with(get, {{"content-length", "1, 1"}})},
        Row{"length_sign", with(get, {{"content-length", "+1"}})},
        Row{"length_empty", with(get, {{"content-length", ""}})},
        Row{"length_words", with(get, {{"content-length", "ten"}})},
        Row{"length_overflow", with(get, {{"content-length", "18446744073709551616"}})},
        Row{"length_beyond_any_stream", with(get, {{"content-length", "9223372036854775808"}})}),
    [](const auto& row) { return row.param.name; });

TEST(Validation, WhatIsBuilt) {
  const Built built = build_request(with(get, {{"accept", "*/*"},
                                               {"content-length", "12"},
                                               {"priority", "u=1, i"},
                                               {"cookie", "a=1"},
                                               {"x", "y"},
                                               {"cookie", "b=2"}}));
  ASSERT_TRUE(built.verdict.ok());
  EXPECT_EQ(built.request.method, "GET");
  EXPECT_EQ(built.request.authority, "a.test");
  EXPECT_EQ(built.content_length, 12u);
  EXPECT_EQ(built.request.priority, (Priority{1, true}));
  EXPECT_EQ(built.request.fields.find("cookie"), "a=1; b=2");
  EXPECT_EQ(built.request.fields.count("cookie"), 1u);
  EXPECT_EQ(built.request.fields.find("accept"), "*/*");
}

TEST(Validation, EmptyCookiesLeaveNoTrace) {
  const Built built = build_request(with(get, {{"cookie", ""}, {"cookie", "a=1"}, {"cookie", ""}}));
  ASSERT_TRUE(built.verdict.ok());
  EXPECT_EQ(built.request.fields.find("cookie"), "a=1");
}

TEST(Validation, HostIsTheAuthorityAndNoField) {
  const Built built =
      build_request({{":method", "GET"}, {":scheme", "https"}, {":path", "/"}, {"host", "a.test:8443"}});
  ASSERT_TRUE(built.verdict.ok());
  EXPECT_EQ(built.request.authority, "a.test:8443");
  EXPECT_FALSE(built.request.fields.contains("host"));
}

TEST(Validation, ProtocolOnlyWhereItWasOffered) {
  const Lines lines{{":method", "CONNECT"},
                    {":protocol", "websocket"},
                    {":scheme", "https"},
                    {":authority", "a"},
                    {":path", "/"}};
  EXPECT_TRUE(build_request(lines).verdict.ok());
  EXPECT_EQ(build_request(lines, Version::http3, {}, false).verdict.fault, Fault::malformed);
}

TEST(Validation, Limits) {
  Limits limits;
  limits.max_section_size = 300;
  EXPECT_TRUE(build_request(with(get, {{"x", std::string(50, 'a')}}), Version::http3, limits).verdict.ok());
  EXPECT_EQ(build_request(with(get, {{"x", std::string(150, 'a')}}), Version::http3, limits).verdict.fault,
            Fault::section_too_large);
  limits = {};
  limits.max_fields = 6;
  EXPECT_TRUE(build_request(with(get, {{"a", "b"}, {"a", "b"}}), Version::http3, limits).verdict.ok());
  EXPECT_EQ(
      build_request(with(get, {{"a", "b"}, {"a", "b"}, {"a", "b"}}), Version::http3, limits).verdict.fault,
      Fault::section_too_large);
  limits = {};
  limits.max_path = 4;
  EXPECT_EQ(build_request({{":method", "GET"}, {":scheme", "https"}, {":authority", "a"}, {":path", "/long"}},
                          Version::http3, limits)
                .verdict.fault,
            Fault::uri_too_long);
  EXPECT_EQ(status_for(Fault::section_too_large), 431u);
  EXPECT_EQ(status_for(Fault::uri_too_long), 414u);
  EXPECT_EQ(status_for(Fault::malformed), 400u);
}

// HTTP/1.1: names in any case, the connection's own fields are taken out

TEST(Validation, Http1KeepsConnectionFieldsToItself) {
  const Built built = build_request(with(get, {{"Host", "a.test"},
                                               {"Connection", "close, X-Hop, Content-Length"},
                                               {"X-Hop", "1"},
                                               {"Keep-Alive", "1"},
                                               {"Upgrade", "x"},
                                               {"TE", "gzip"},
                                               {"Transfer-Encoding", "chunked"},
                                               {"X-Stays", " spaces around "},
                                               {"Content-Length", "3"}}),
                                    Version::http1_1);
  ASSERT_TRUE(built.verdict.ok()) << built.verdict.reason;
  EXPECT_EQ(built.request.fields.size(), 2u);
  EXPECT_EQ(built.request.fields.find("x-stays"), "spaces around");
  EXPECT_EQ(built.request.fields.find("content-length"), "3");
  EXPECT_EQ(built.content_length, 3u);
}

TEST(Validation, Http1NeedsHost) {
  const Lines lines{{":method", "GET"}, {":scheme", "https"}, {":path", "/"}};
  EXPECT_EQ(build_request(lines, Version::http1_1).verdict.fault, Fault::malformed);
  EXPECT_TRUE(build_request(lines, Version::http1_0).verdict.ok());
  EXPECT_TRUE(build_request(with(lines, {{"HOST", "a"}}), Version::http1_1).verdict.ok());
  EXPECT_EQ(build_request(with(lines, {{"Host", "a"}, {"hOst", "a"}}), Version::http1_1).verdict.fault,
            Fault::malformed);
}

TEST(Validation, LongNamesOverHttp1) {
  const std::string name(100, 'N');
  const Built built = build_request(with(get, {{"Host", "a.test"}, {name, "v"}}), Version::http1_1);
  EXPECT_EQ(built.request.fields.find(std::string(100, 'n')), "v");
}

// Responses and trailers

struct Answer {
  const char* name;
  Lines lines;
  Fault expected = Fault::malformed;
};

class ResponseRules : public testing::TestWithParam<Answer> {};

TEST_P(ResponseRules, Hold) {
  Limits limits;
  Response response;
  HeadBuilder builder(limits);
  builder.begin_response(response, Version::http3);
  for (const auto& [name, value] : GetParam().lines) builder.add(name, value);
  EXPECT_EQ(builder.finish().fault, GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(
    Rows, ResponseRules,
    testing::Values(
        Answer{"ok", {{":status", "200"}}, Fault::none}, Answer{"interim", {{":status", "103"}}, Fault::none},
        Answer{"host_is_a_mere_field", {{":status", "200"}, {"host", "x"}}, Fault::none},
        Answer{"missing", {{"a", "b"}}}, Answer{"twice", {{":status", "200"}, {":status", "200"}}},
        Answer{"late", {{"a", "b"}, {":status", "200"}}}, Answer{"two_digits", {{":status", "20"}}},
        Answer{"four_digits", {{":status", "2000"}}}, Answer{"words", {{":status", "abc"}}},
        Answer{"below_100", {{":status", "099"}}}, Answer{"switching_protocols", {{":status", "101"}}},
        Answer{"path", {{":status", "200"}, {":path", "/"}}},
        Answer{"connection", {{":status", "200"}, {"connection", "close"}}}),
    [](const auto& row) { return row.param.name; });

TEST(Validation, Trailers) {
  const auto fault_of = [](const Lines& lines, Version version) {
    Limits limits;
    Fields trailers;
    HeadBuilder builder(limits);
    builder.begin_trailers(trailers, version);
    for (const auto& [name, value] : lines) builder.add(name, value);
    return builder.finish().fault;
  };
  for (const Version version : {Version::http1_1, Version::http2, Version::http3}) {
    EXPECT_EQ(fault_of({{"x-sum", "1"}, {"grpc-status", "0"}}, version), Fault::none);
    EXPECT_EQ(fault_of({{":path", "/"}}, version), Fault::malformed);
    EXPECT_EQ(fault_of({{"content-length", "1"}}, version), Fault::malformed);
    EXPECT_EQ(fault_of({{"host", "a"}}, version), Fault::malformed);
    EXPECT_EQ(fault_of({{"transfer-encoding", "chunked"}}, version), Fault::malformed);
    EXPECT_EQ(fault_of({{"x", "a\nb"}}, version), Fault::malformed);
  }
}

TEST(Validation, Authorities) {
  for (const char* good :
       {"a", "a.test", "a.test:1", "a.test:65535", "192.0.2.1", "[::1]", "[::1]:443", "a_b", "%41", "a:"})
    EXPECT_TRUE(is_authority(good)) << good;
  for (const char* bad : {"", ":1", "a:b", "a:1:2", "::1", "[::1", "[]", "[::1]x", "a b", "a/b", "me@a",
                          "a:123456", "a[b]", "a\\b"})
    EXPECT_FALSE(is_authority(bad)) << bad;
}

TEST(HostOf, LeavesOutThePort) {
  for (const auto& [authority, host] :
       std::initializer_list<std::pair<const char*, const char*>>{{"a.test", "a.test"},
                                                                  {"a.test:443", "a.test"},
                                                                  {"[::1]:443", "[::1]"},
                                                                  {"[::1]", "[::1]"},
                                                                  {"", ""},
                                                                  {"[::1", "[::1"}})
    EXPECT_EQ(host_of(authority), host);
  EXPECT_EQ(without_brackets("[::1]"), "::1");
  EXPECT_EQ(without_brackets("[::1"), "[::1");
  EXPECT_EQ(without_brackets("a.test"), "a.test");
}

}  // namespace
}  // namespace sallyport::http
