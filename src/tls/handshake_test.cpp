#include "base/file.h"
#include "base/folder_for_test.h"
#include "tls/pairs_for_test.h"
#include "tls/test_link.h"

#include <ctime>
#include <filesystem>

#include <gmock/gmock.h>
#include <gnutls/x509.h>
#include <gtest/gtest.h>

namespace sallyport::tls {
namespace {

using testing::AnyOf;
using testing::Eq;
using testing::HasSubstr;
using testing::StartsWith;

TEST(Handshake, AgreesAndTellsWhatOn) {
  Link link;
  link.server_options.alpn = {"h2", "http/1.1"};
  link.client_options.alpn = {"http/1.1", "h2"};
  link.shake_hands();
  ASSERT_TRUE(link.client) << link.client_error->message;
  ASSERT_TRUE(link.server) << link.server_error->message;
  for (const StreamInfo* info : {&link.client->info(), &link.server->info()}) {
    EXPECT_EQ(info->alpn, "h2") << "the server's preference";
    EXPECT_EQ(info->server_name, "a.test");
    EXPECT_THAT(info->cipher, AnyOf(Eq("TLS_AES_128_GCM_SHA256"), Eq("TLS_CHACHA20_POLY1305_SHA256")));
    EXPECT_FALSE(info->resumed);
  }
}

TEST(Handshake, WorksBytewise) {
  Link link(1);
  link.shake_hands();
  EXPECT_TRUE(link.client && link.server);
}

TEST(Handshake, SendsNoNameForAnAddress) {
  Link link;
  link.client_options.host = "192.0.2.1";
  link.shake_hands();
  ASSERT_TRUE(link.server);
  EXPECT_EQ(link.server->info().server_name, "");
}

TEST(Handshake, LeavesOutTheDotAtTheEndOfAName) {
  Link link;
  link.client_options.host = "a.test.";
  link.shake_hands();
  ASSERT_TRUE(link.client) << link.client_error->message;
  ASSERT_TRUE(link.server);
  EXPECT_EQ(link.server->info().server_name, "a.test");
}

TEST(Handshake, RefusesAClientWithNoProtocolInCommon) {
  Link link;
  link.server_options.alpn = {"h2"};
  link.client_options.alpn = {"smtp"};
  link.shake_hands();
  ASSERT_TRUE(link.client_error && link.server_error);
  EXPECT_EQ(link.client_error->kind, ErrorKind::tls);
  EXPECT_EQ(link.client_error->message,
            "the peer refused the TLS handshake: no ALPN protocol in common (alert 120)");
  EXPECT_EQ(link.client_error->code, 120u);
}

TEST(Handshake, WritesAKeyLogThatBothSidesAgreeOn) {
  Link link;
  const auto client_log = std::make_shared<Lines>(), server_log = std::make_shared<Lines>();
  link.client_options.key_log = client_log;
  link.server_options.key_log = server_log;
  link.shake_hands();
  EXPECT_THAT(client_log->lines, testing::ContainsRegex("CLIENT_TRAFFIC_SECRET_0 [0-9a-f]{64} [0-9a-f]{64}"));
  for (const std::string label : {"CLIENT_HANDSHAKE_TRAFFIC_SECRET ", "SERVER_TRAFFIC_SECRET_0 "}) {
    const std::size_t at = client_log->lines.find(label);
    ASSERT_NE(at, std::string::npos);
    EXPECT_THAT(server_log->lines,
                HasSubstr(client_log->lines.substr(at, client_log->lines.find('\n', at) - at)));
  }
}

TEST(Handshake, GivesUpAfterItsTimeout) {
  Link link;
  auto unanswered = std::move(link.server_transport);
  link.client_options.timeout = 2500ms;
  link.connecting = connect(link.timers, std::move(link.client_transport), link.client_options,
                            [&link](auto result) { link.client_error = result.error(); });
  link.run();
  link.timers.advance(Time{} + 2499ms);
  link.run();
  EXPECT_FALSE(link.client_error);
  link.timers.advance(Time{} + 2501ms);
  link.run();
  ASSERT_TRUE(link.client_error);
  EXPECT_EQ(link.client_error->kind, ErrorKind::timeout);
  EXPECT_THAT(link.client_error->message, HasSubstr("2.5 s"));
}

TEST(Handshake, IsGivenUpByDestroyingIt) {
  Link link;
  bool called = false;
  link.connecting = connect(link.timers, std::move(link.client_transport), link.client_options,
                            [&](auto) { called = true; });
  link.connecting.reset();
  link.run();
  EXPECT_FALSE(called);
}

TEST(Handshake, CallsBackNeverFromWithinAndMayBeDestroyedThen) {
  Link link;
  link.client_transport->close();
  link.client_transport.reset();
  bool called = false;
  link.accepting =
      accept(link.timers, std::move(link.server_transport), link.server_options, [&](auto result) {
        EXPECT_FALSE(result);
        link.accepting.reset();
        called = true;
      });
  EXPECT_FALSE(called);
  link.run();
  EXPECT_TRUE(called);
}

TEST(Handshake, AServerHandsOutTheStreamOfAClientThatSpeaksInTheClear) {
  for (const std::string_view first : {"GET / HTTP/1.1\r\n", "P", "hello"}) {
    Link link;
    const bool clear = first[0] >= 'A' && first[0] <= 'Z';
    Inbox at_client;
    link.client_transport->set_receiver(&at_client);
    link.client_transport->set_reading(true);
    link.client_transport->write(as_bytes(first));
    std::unique_ptr<net::ByteStream> stream;
    link.accepting =
        accept(link.timers, std::move(link.server_transport), link.server_options, [&](auto result) {
          link.server_error = result.error();
          stream = link.accepting->take_clear_text();
        });
    link.run();
    ASSERT_TRUE(link.server_error);
    EXPECT_EQ(stream != nullptr, clear) << first;
    link.accepting.reset();
    if (!clear) continue;
    EXPECT_EQ(link.server_error->message, "the client sent a plain HTTP request to the HTTPS port");
    EXPECT_EQ(at_client.received, "");
    stream->write(as_bytes("answer"));
    stream->finish();
    link.run();
    EXPECT_EQ(at_client.received, "answer");
    EXPECT_EQ(at_client.ends, 1);
  }
}

TEST(Handshake, SaysWhenThePeerSpeaksNoTlsOrStops) {
  Link talk;
  talk.server_transport->write(as_bytes("HTTP/1.1 400 Bad Request\r\n\r\n"));
  auto peer = std::move(talk.server_transport);
  talk.connecting = connect(talk.timers, std::move(talk.client_transport), talk.client_options,
                            [&](auto result) { talk.client_error = result.error(); });
  talk.run();
  ASSERT_TRUE(talk.client_error);
  EXPECT_EQ(talk.client_error->message, "the peer does not speak TLS on this port");

  Link silence;
  silence.server_transport->finish();
  auto silent = std::move(silence.server_transport);
  silence.connecting = connect(silence.timers, std::move(silence.client_transport), silence.client_options,
                               [&](auto result) { silence.client_error = result.error(); });
  silence.run();
  ASSERT_TRUE(silence.client_error);
  EXPECT_EQ(silence.client_error->message, "the peer closed the connection during the TLS handshake");
}

// Which certificate is shown

TEST(Sni, ChoosesTheCertificate) {
  const KeyPair first = *make_self_signed({"first.test"}), second = *make_self_signed({"second.test"}),
                wild = *make_self_signed({"*.wild.test"});
  const auto credentials = *ServerCredentials::make({first, second, wild});
  const auto shown_to = [&](const std::string& host) {
    // The client trusts one certificate only; whether it is satisfied tells which was shown.
    for (const auto& [name, pair] : {std::pair{"first", &first}, {"second", &second}, {"wild", &wild}}) {
      std::string path = testing::TempDir() + "sniXXXXXX";
      const int fd = ::mkstemp(path.data());
      ::close(fd);
      EXPECT_TRUE(write_file(path, pair->certificate_pem, 0600, IfExists::replace));
      Link link;
      link.server_options.credentials = credentials;
      link.client_options.host = host;
      link.client_options.trust = *Trust::make({.ca_files = {path}});
      link.shake_hands();
      std::filesystem::remove(path);
      if (link.client || link.client_error->message.find("not for") != std::string::npos)
        return std::string(name);
    }
    return std::string("none");
  };
  EXPECT_EQ(shown_to("first.test"), "first");
  EXPECT_EQ(shown_to("SECOND.test"), "second");
  EXPECT_EQ(shown_to("x.wild.test"), "wild");
  EXPECT_EQ(shown_to("x.y.wild.test"), "first");
  EXPECT_EQ(shown_to("unknown.test"), "first");
  EXPECT_EQ(shown_to("192.0.2.1"), "first");
}

// What the client makes of it

class Verification : public testing::Test {
 protected:
  std::shared_ptr<const Trust> trust(const KeyPair& pair) {
    const std::string path = folder_ + "/ca.pem";
    EXPECT_TRUE(write_file(path, pair.certificate_pem, 0600, IfExists::replace));
    return *Trust::make({.ca_files = {path}});
  }

  /// The client's error, or "" where it was satisfied.
  std::string verdict(const KeyPair& shown, std::shared_ptr<const Trust> trusted, const std::string& host) {
    Link link;
    link.server_options.credentials = *ServerCredentials::make({shown});
    link.client_options.trust = std::move(trusted);
    link.client_options.host = host;
    link.shake_hands();
    if (link.client) return "";
    EXPECT_EQ(link.client_error->kind, ErrorKind::tls);
    EXPECT_TRUE(link.server_error || link.server) << "the server heard nothing";
    alert_ = link.server_error ? link.server_error->code : 0;
    return link.client_error->message;
  }

  const FolderForTest temporary_;
  const std::string folder_ = temporary_.path();
  std::uint64_t alert_ = 0;  // that the server was sent with the last verdict
};

TEST_F(Verification, TakesASelfSignedCertificateThatItWasGiven) {
  const KeyPair pair = *make_self_signed({"a.test", "*.b.test", "192.0.2.1", "2001:db8::1"});
  for (const std::string host :
       {"a.test", "A.Test", "x.b.test", "192.0.2.1", "2001:db8::1", "[2001:db8::1]"}) {
    EXPECT_EQ(verdict(pair, trust(pair), host), "") << host;
  }
}

TEST_F(Verification, NamesTheNamesOfAnotherCertificate) {
  const KeyPair pair = *make_self_signed({"foo.test", "www.foo.test"});
  EXPECT_EQ(verdict(pair, trust(pair), "bar.test"),
            "the certificate of bar.test is for 'foo.test' and 'www.foo.test', not for 'bar.test'");
  EXPECT_EQ(alert_, 46u) << "certificate_unknown";
}

TEST_F(Verification, NamesTheStoreThatLacksTheSigner) {
  const KeyPair pair = *make_self_signed({"a.test"});
  EXPECT_EQ(verdict(pair, trust(*make_self_signed({"b.test"})), "a.test"),
            "the certificate of a.test is signed by 'CN=a.test', and by no trusted issuer in " + folder_ +
                "/ca.pem (--ca FILE trusts the issuers in FILE)");
  EXPECT_EQ(alert_, 48u) << "unknown_ca";
  EXPECT_EQ(
      verdict(pair, trust(*make_self_signed({"a.test"})), "a.test"),
      "the certificate of a.test is signed by another 'CN=a.test' than the one in " + folder_ + "/ca.pem");
  EXPECT_EQ(alert_, 42u) << "bad_certificate";
  if (const auto system = Trust::make({})) {
    EXPECT_THAT(verdict(pair, *system, "a.test"), HasSubstr("no trusted issuer in the system's store"));
  }
  EXPECT_EQ(verdict(pair, trust_anything(), "other.test"), "");
}

TEST_F(Verification, TakesTheAnchorsOfSeveralFiles) {
  const KeyPair a = *make_self_signed({"a.test"}), b = *make_self_signed({"b.test"});
  ASSERT_TRUE(write_file(folder_ + "/a", a.certificate_pem, 0600, IfExists::replace));
  ASSERT_TRUE(write_file(folder_ + "/b", b.certificate_pem, 0600, IfExists::replace));
  const auto both = *Trust::make({.ca_files = {folder_ + "/a", folder_ + "/b"}});
  EXPECT_EQ(verdict(a, both, "a.test"), "");
  EXPECT_EQ(verdict(b, both, "b.test"), "");
  EXPECT_THAT(verdict(*make_self_signed({"c.test"}), both, "c.test"),
              HasSubstr("no trusted issuer in " + folder_ + "/a and " + folder_ + "/b (--ca"));
  EXPECT_THAT(Trust::make({.ca_files = {folder_ + "/a", folder_ + "/none"}}).error().message,
              StartsWith("cannot read " + folder_ + "/none"));
}

TEST_F(Verification, TellsTheDates) {
  const KeyPair pair = *make_self_signed({"a.test"});
  const KeyPair old = dated(pair, 1'600'000'000, 1'600'086'400);
  EXPECT_EQ(verdict(old, trust(old), "a.test"), "the certificate of a.test expired on 2020-09-14 12:26 UTC");
  EXPECT_EQ(alert_, 45u) << "certificate_expired";
  const KeyPair early = dated(pair, 2'000'000'000, 2'000'086'400);
  EXPECT_THAT(verdict(early, trust(early), "a.test"), HasSubstr("is not valid before 2033-05-18 03:33 UTC"));
}

TEST_F(Verification, NeedsAStoreThatCanBeRead) {
  EXPECT_THAT(Trust::make({.ca_files = {folder_ + "/none"}}).error().message,
              StartsWith("cannot read " + folder_ + "/none"));
  ASSERT_TRUE(write_file(folder_ + "/text", "hello", 0600, IfExists::replace));
  EXPECT_EQ(Trust::make({.ca_files = {folder_ + "/text"}}).error().message,
            folder_ + "/text holds no certificate in PEM form");
}

// Resumption

class Resumption : public Verification {
 protected:
  Resumption() : pair_(*make_self_signed({"a.test", "b.test"})), trusted_(trust(pair_)) {}

  /// Connects once, with what the cache holds; whether it was resumed. The ticket for the next time is taken
  /// in.
  std::optional<bool> connect_once(std::shared_ptr<const Trust> trusted, const std::string& host = "a.test") {
    Link link;
    link.server_options.credentials = *ServerCredentials::make({pair_});
    link.server_options.ticket_key.fill(ticket_key_);
    link.client_options.trust = std::move(trusted);
    link.client_options.host = host;
    link.client_options.origin = "a.test:443";
    link.client_options.sessions = &sessions_;
    link.shake_hands();
    if (!link.client || !link.server) return std::nullopt;
    link.start_reading();
    EXPECT_EQ(link.client->info().resumed, link.server->info().resumed);
    return link.client->info().resumed;
  }

  KeyPair pair_;
  std::shared_ptr<const Trust> trusted_;
  SessionCache sessions_;
  std::uint8_t ticket_key_ = 7;
};

TEST_F(Resumption, UsesTheTicketOfTheLastConnection) {
  EXPECT_EQ(connect_once(trusted_), false);
  ASSERT_TRUE(sessions_.find("tcp/a.test:443"));
  EXPECT_EQ(connect_once(trusted_), true);
  EXPECT_EQ(connect_once(trusted_), true);
}

TEST_F(Resumption, FallsBackWhenTheServerHasAnotherKey) {
  EXPECT_EQ(connect_once(trusted_), false);
  ticket_key_ = 8;
  EXPECT_EQ(connect_once(trusted_), false);
  EXPECT_EQ(connect_once(trusted_), true);
}

TEST_F(Resumption, LeavesATicketFromALaxerTimeAlone) {
  EXPECT_EQ(connect_once(trust_anything()), false);
  EXPECT_EQ(connect_once(trust_anything()), true);
  // Another authority: resuming would skip the check that a full handshake fails.
  const auto other = trust(*make_self_signed({"a.test"}));
  EXPECT_EQ(connect_once(other), std::nullopt);
  // Another name, which the remembered certificate does not cover.
  EXPECT_EQ(connect_once(trusted_, "c.test"), std::nullopt);
  EXPECT_EQ(connect_once(trusted_), true) << "and it is still good where it is accepted";
}

TEST_F(Resumption, IgnoresADamagedTicket) {
  sessions_.store("tcp/a.test:443", {.ticket = {1, 2, 3, 4}});
  EXPECT_EQ(connect_once(trusted_), false);
  auto ticket = sessions_.find("tcp/a.test:443")->ticket;
  ticket.resize(ticket.size() / 2);
  sessions_.store("tcp/a.test:443", {.ticket = ticket});
  EXPECT_EQ(connect_once(trusted_), false);
}

}  // namespace
}  // namespace sallyport::tls
