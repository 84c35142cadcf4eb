#include "gateway/router.h"

#include "files/file_server.h"
#include "files/folder_for_test.h"
#include "masque/doubles_for_test.h"
#include "tls/served_certificate.h"

#include <gtest/gtest.h>

namespace sallyport::gateway {
namespace {

using masque::ConnectionForTest;

class ProxyForTest final : public http::RequestHandler {
 public:
  void on_request(http::Exchange& exchange) override {
    ++requests;
    exchange.set_handler(&http::answered());
  }
  int requests = 0;
};

std::shared_ptr<const tls::ServedCertificate> certificate_for(const std::vector<std::string>& names) {
  return std::make_shared<const tls::ServedCertificate>(names, "");
}

class RouterTest : public testing::Test {
 protected:
  RouterTest() {
    folder.write("a", "hello");
    router.set_content(&files);
    router.set_proxy(&proxy);
    connection.set_certificate(certificate_for({"a.test", "*.b.test", "127.0.0.1", "::1"}));
  }
  unsigned ask(const http::Request& request) {
    auto& exchange = connection.receive(request);
    entrance.on_request(exchange);
    return exchange.responses.empty() ? 0 : exchange.responses[0].status;
  }

  files::FolderForTest folder;
  net::Timers timers{Time(100s)};
  ConnectionForTest connection{timers};
  http::Replies replies;
  files::FileServer files{files::ServedFolder::open(folder.path()).value(), replies};
  ProxyForTest proxy;
  Router router{replies};
  Entrance entrance{router, ""};
};

TEST_F(RouterTest, ServesTheHostsThatTheCertificateCovers) {
  for (const auto* authority :
       {"a.test", "A.test:8443", "x.b.test", "127.0.0.1", "127.0.0.1:443", "[::1]:443", "[::1]", ""})
    EXPECT_EQ(ask({.authority = authority, .path = "/a"}), 200u) << authority;
  for (const auto* authority : {"b.test", "a.test.evil", "127.0.0.2", "[::2]:443", "[::1", "::1"})
    EXPECT_EQ(ask({.authority = authority, .path = "/a"}), 421u) << authority;
  EXPECT_EQ(router.counters().misdirected, 6u);
}

// RFC 9112 §3.2.2: requests to a forward proxy do not get the gateway's own files.
TEST_F(RouterTest, RequestsToForwardAreRefusedWithAReason) {
  // The port of ConnectionForTest is 0.
  for (const auto& [scheme, authority] :
       {std::pair("http", "a.test"), std::pair("http", "a.test:80"), std::pair("http", "a.test:8443"),
        std::pair("http", "[::1]"), std::pair("http", "other.test"), std::pair("http", ""),
        std::pair("ftp", "a.test:0")}) {
    EXPECT_EQ(ask({.scheme = scheme, .authority = authority, .path = "/a"}), 501u) << scheme << authority;
    const auto& response = connection.last().responses.at(0);
    const auto status = masque::parse_proxy_status(response.fields.find("proxy-status").value_or(""));
    ASSERT_TRUE(status);
    EXPECT_EQ(status->error, "proxy_configuration_error");
    EXPECT_NE(connection.last().body.find("not forwarded"), std::string::npos);
    EXPECT_EQ(connection.last().body.find("hello"), std::string::npos);
  }
  EXPECT_EQ(ask({.scheme = "http", .authority = "a.test:0", .path = "/a"}), 200u);
  EXPECT_EQ(router.counters().misdirected, 0u);
}

TEST_F(RouterTest, EachConnectionGoesByItsOwnCertificate) {
  ConnectionForTest other{timers};
  other.set_certificate(certificate_for({"c.test"}));
  const auto ask_other = [&](const char* authority) {
    auto& exchange = other.receive({.authority = authority, .path = "/a"});
    entrance.on_request(exchange);
    return exchange.responses.at(0).status;
  };
  EXPECT_EQ(ask({.authority = "a.test", .path = "/a"}), 200u);
  EXPECT_EQ(ask_other("a.test"), 421u);
  EXPECT_EQ(ask_other("c.test"), 200u);
  EXPECT_EQ(ask({.authority = "c.test", .path = "/a"}), 421u);
  other.set_certificate(nullptr);  // nothing is known of it
  EXPECT_EQ(ask_other("a.test"), 200u);
}

TEST_F(RouterTest, RefusedTunnelsSayWhyInProxyStatus) {
  Router bare(replies);
  const auto error_of = [&](Router& asked, const http::Request& request) {
    auto& exchange = connection.receive(request);
    asked.route({exchange, {}});
    const auto value = exchange.responses.at(0).fields.find("proxy-status");
    const auto parsed = masque::parse_proxy_status(value.value_or(""));
    return parsed ? parsed->proxy + ": " + parsed->error : std::string();
  };
  EXPECT_EQ(error_of(router, {.method = "CONNECT", .authority = "c.test:443", .early_data = true}),
            "sallyport: http_request_error");
  EXPECT_EQ(error_of(router, {.method = "CONNECT", .path = "/", .protocol = "websocket"}),
            "sallyport: proxy_configuration_error");
  EXPECT_EQ(error_of(bare, {.method = "CONNECT", .authority = "c.test:443"}),
            "sallyport: proxy_configuration_error");
  EXPECT_EQ(error_of(router, {.method = "POST", .authority = "a.test", .path = "/a", .early_data = true}),
            "");
}

TEST_F(RouterTest, OnlySafeMethodsInEarlyData) {
  EXPECT_EQ(ask({.method = "GET", .authority = "a.test", .path = "/a", .early_data = true}), 200u);
  EXPECT_EQ(ask({.method = "POST", .authority = "a.test", .path = "/a", .early_data = true}), 425u);
  EXPECT_EQ(ask({.method = "CONNECT", .authority = "c.test:443", .early_data = true}), 425u);
  EXPECT_EQ(ask({.method = "CONNECT", .path = "/", .protocol = "connect-udp", .early_data = true}), 425u);
  EXPECT_EQ(proxy.requests, 0);
}

TEST_F(RouterTest, TunnelsGoToTheProxyUnderAnyName) {
  ask({.method = "CONNECT", .authority = "elsewhere.test:443", .path = ""});
  ask({.method = "CONNECT",
       .authority = "elsewhere.test",
       .path = "/.well-known/masque/udp/x/1/",
       .protocol = "connect-udp"});
  ask({.method = "CONNECT", .authority = "a.test", .path = "/", .protocol = "connect-ip"});
  EXPECT_EQ(proxy.requests, 3);
  EXPECT_EQ(ask({.method = "CONNECT", .authority = "a.test", .path = "/", .protocol = "websocket"}), 501u);
  EXPECT_EQ(router.counters().requests[2], 4u);
}

/// Over HTTP/1.1 the Upgrade token is compared without regard to case, and comes here in lower case.
TEST_F(RouterTest, ProtocolsAreComparedAsTheyAre) {
  for (const auto* protocol : {"CONNECT-UDP", "Connect-Udp"}) {
    EXPECT_EQ(ask({.method = "CONNECT",
                   .authority = "a.test",
                   .path = "/.well-known/masque/udp/x/1/",
                   .protocol = protocol}),
              501u);
    const auto& fields = connection.last().responses.at(0).fields;
    const auto status = masque::parse_proxy_status(fields.find("proxy-status").value_or(""));
    ASSERT_TRUE(status);
    EXPECT_EQ(status->error, "proxy_configuration_error");
    EXPECT_NE(status->details.find("lowercase"), std::string::npos) << status->details;
  }
  EXPECT_EQ(proxy.requests, 0);
}

TEST_F(RouterTest, WhatIsOffIsOff) {
  Router bare(replies);
  Entrance door(bare, "");
  connection.set_certificate(nullptr);
  for (const auto& [request, status] :
       {std::pair(http::Request{.authority = "any.test", .path = "/a"}, 404u),
        std::pair(http::Request{.method = "CONNECT", .authority = "a.test:1"}, 501u)}) {
    auto& exchange = connection.receive(request);
    door.on_request(exchange);
    ASSERT_EQ(exchange.responses.size(), 1u);
    EXPECT_EQ(exchange.responses[0].status, status);
  }
}

}  // namespace
}  // namespace sallyport::gateway
