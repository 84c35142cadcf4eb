#include "config/serving_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::config {
namespace {

using testing::HasSubstr;
using testing::Not;

net::SocketAddress at(std::string_view text) {
  return net::SocketAddress::parse(text).value();
}

const tls::KeyPair& pair() {
  static const tls::KeyPair made = tls::make_self_signed({"a.test"}).value();
  return made;
}

std::shared_ptr<const tls::ServerCredentials> credentials(const tls::KeyPair& from = pair()) {
  return tls::ServerCredentials::make({from}).value();
}

std::shared_ptr<const masque::TokenTable> tokens(std::string_view lines) {
  return masque::TokenTable::parse(lines, "tokens").value();
}

/// Which one does not matter here, only whether it is the same.
std::shared_ptr<const files::ServedFolder> some_folder() {
  const auto owner = std::make_shared<int>();
  return {owner, reinterpret_cast<const files::ServedFolder*>(owner.get())};
}

struct ConfigurationTest : testing::Test {
  ConfigurationTest() {
    flags.listen = {at("127.0.0.1:443"), at("[::1]:8443")};
    flags.self_signed = {"a.test"};
    flags.files = "/srv";
    flags.masque = {masque::Protocol::udp};
    material.credentials[""] = credentials();
  }
  Configuration made() const { return make_configuration(flags, material); }
  void expect_invalid(const std::string& words) const {
    const auto checked = validate(made());
    ASSERT_FALSE(checked) << words;
    EXPECT_EQ(checked.error().kind, ErrorKind::usage);
    EXPECT_THAT(checked.error().message, HasSubstr(words));
  }
  void expect_refused(const std::string& words) const {
    const auto checked = check_flags(flags);
    ASSERT_FALSE(checked) << words;
    EXPECT_EQ(checked.error().kind, ErrorKind::usage);
    EXPECT_THAT(checked.error().message, HasSubstr(words));
  }

  ServingFlags flags;
  Material material;
};

TEST_F(ConfigurationTest, HasWhatTheFlagsSay) {
  flags.allow = {*net::IpPrefix::parse("10.0.0.0/8")};
  flags.allow_ports = {25};
  flags.max_tunnels = 7;
  flags.udp_tunnel_idle = 130s;
  flags.tcp_tunnel_idle = 140s;
  flags.etag = EtagParts::size_mtime;
  flags.alt_svc_port = 444;
  flags.congestion_control = quic::CongestionControl::bbr;
  flags.retry = quic::RetryPolicy::always;
  flags.idle_timeout = 33s;
  material.admin = at("127.0.0.1:9090");
  const std::shared_ptr<const files::ServedFolder> folder = some_folder();
  material.folder = folder;
  const Configuration all = made();
  ASSERT_TRUE(validate(all)) << validate(all).error().message;
  ASSERT_EQ(all.listeners.size(), 2u);
  EXPECT_EQ(all.listeners[1].id, "[::1]:8443");
  EXPECT_EQ(all.listeners[1].address, at("[::1]:8443"));
  EXPECT_EQ(all.listeners[1].alt_svc_port, 444);
  EXPECT_EQ(all.listeners[1].credentials, material.credentials[""]);
  EXPECT_EQ(all.files, (Files{"/srv", EtagParts::size_mtime, folder}));
  ASSERT_TRUE(all.masque);
  EXPECT_EQ(all.masque->protocols, masque::Protocols{masque::Protocol::udp});
  EXPECT_EQ(all.masque->allow, flags.allow);
  EXPECT_EQ(all.masque->allow_ports, flags.allow_ports);
  EXPECT_EQ(all.masque->never, material.admin);
  EXPECT_EQ(all.masque->max_tunnels, 7u);
  EXPECT_EQ(all.masque->udp_idle, Duration(130s));
  EXPECT_EQ(all.masque->tcp_idle, Duration(140s));
  EXPECT_EQ(all.quic.congestion_control, quic::CongestionControl::bbr);
  EXPECT_EQ(all.retry, quic::RetryPolicy::always);
  EXPECT_EQ(all.limits.idle_timeout, Duration(33s));
  flags.files.clear();
  EXPECT_FALSE(made().files);
  flags.masque = {};
  EXPECT_FALSE(made().masque);
}

TEST_F(ConfigurationTest, ListenersKeepTheirIdsWhateverPortsAreChosen) {
  flags.listen = {at("127.0.0.1:0"), at("127.0.0.1:0"), at("127.0.0.1:443")};
  const Configuration before = made();
  ASSERT_TRUE(validate(before)) << validate(before).error().message;
  material.addresses = {at("127.0.0.1:5001"), at("127.0.0.1:5002"), at("127.0.0.1:443")};
  const Configuration after = made();
  ASSERT_TRUE(validate(after));
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(before.listeners[i].id, after.listeners[i].id);
    EXPECT_EQ(after.listeners[i].address, material.addresses[i]);
  }
  EXPECT_EQ(after.listeners[2].id, "127.0.0.1:443");
}

TEST_F(ConfigurationTest, AListenerShowsItsOwnCertificatesOrThoseOfAll) {
  const auto own = credentials(tls::make_self_signed({"b.test"}).value());
  material.credentials["[::1]:8443"] = own;
  EXPECT_EQ(made().listeners[0].credentials, material.credentials[""]);
  EXPECT_EQ(made().listeners[1].credentials, own);
  material.credentials.erase("");
  expect_invalid("the listener 127.0.0.1:443 has no certificate");
}

TEST_F(ConfigurationTest, IsEqualByWhatItMeans) {
  material.tokens = tokens("alice token-of-alice-01\n");
  const Configuration before = made();
  EXPECT_EQ(before, made());
  material.credentials[""] = credentials();  // read again
  material.tokens = tokens("alice token-of-alice-01\n");
  EXPECT_EQ(before, made());
  material.tokens = tokens("alice token-of-alice-02\n");
  EXPECT_NE(before, made());
  material.tokens.reset();
  EXPECT_NE(before, made());
  material.tokens = tokens("alice token-of-alice-01\n");
  material.credentials[""] = credentials(tls::make_self_signed({"a.test"}).value());
  EXPECT_NE(before, made()) << "another key";
  material.credentials[""] = credentials();
  material.folder = some_folder();
  EXPECT_NE(before, made());
  material.folder.reset();
  flags.listen.pop_back();
  EXPECT_NE(before, made());
}

TEST_F(ConfigurationTest, WhatCannotBeMeantIsInvalid) {
  auto bare = made();
  bare.files.reset();
  bare.masque.reset();
  ASSERT_FALSE(validate(bare));
  EXPECT_THAT(validate(bare).error().message, HasSubstr("nothing to do"));
  auto twice = made();
  twice.listeners[1].id = twice.listeners[0].id;
  ASSERT_FALSE(validate(twice));
  EXPECT_THAT(validate(twice).error().message, HasSubstr("two listeners have the ID '127.0.0.1:443'"));
  flags.alt_svc_port = 444;
  flags.tcp = false;
  expect_invalid("--no-tcp");
  flags.alt_svc_port = 0;
  EXPECT_TRUE(validate(made()));
  flags.listen.clear();
  expect_invalid("no listener");
}

TEST_F(ConfigurationTest, NoTwoListenersHaveOneAddress) {
  flags.masque = {};
  const auto here = at("127.0.0.1:443"), all = at(":443"), all_v4 = at("0.0.0.0:443"),
             here_v6 = at("[::1]:443"), any = at("127.0.0.1:0"), other = at("127.0.0.1:444");
  for (const auto& listen : {std::vector{here, here_v6, other, any, any}, {all_v4, here_v6}}) {
    flags.listen = listen;
    EXPECT_TRUE(validate(made())) << validate(made()).error().message;
  }
  flags.listen = {here, other, here};
  expect_invalid("--listen 127.0.0.1:443: a --listen names that");
  for (const auto& [first, second] : {std::pair{all, here}, {all, here_v6}, {all_v4, here}, {all, all_v4}}) {
    flags.listen = {first, second};
    expect_invalid("has that port on all addresses");
  }
  flags.listen = {here, all};
  expect_invalid(
      "--listen [::]:443: that is all addresses, and --listen 127.0.0.1:443 has that port already; give it");
  flags.listen = {all_v4, all};
  expect_invalid("--listen [::]:443: that is all addresses, and --listen 0.0.0.0:443 has that port already");
  flags.listen = {here, at("[::ffff:127.0.0.1]:443")};
  expect_invalid("a --listen names that address and port, too");
}

TEST_F(ConfigurationTest, AProxyElsewhereThanOnLoopbackHasToSayForWhom) {
  for (const char* address : {"0.0.0.0:443", ":443", "192.168.1.1:443", "8.8.8.8:443", "[fe80::1]:443"}) {
    flags.listen = {at("127.0.0.1:8443"), at(address)};
    expect_invalid("--token-file FILE");
    expect_invalid(address == std::string(":443") ? "[::]:443" : address);
    flags.open_proxy = true;
    EXPECT_TRUE(validate(made())) << address;
    flags.open_proxy = false;
    material.tokens = tokens("alice token-of-alice-01\n");
    EXPECT_TRUE(validate(made())) << address;
    flags.open_proxy = true;
    expect_invalid("contradict");
    flags.open_proxy = false;
    material.tokens.reset();
  }
  flags.listen = {at("127.0.0.1:443"), at("[::1]:443"), at("127.9.9.9:1"), at("[::ffff:127.0.0.1]:444")};
  EXPECT_TRUE(validate(made()));
  flags.proxy_protocol_from = {*net::IpPrefix::parse("127.0.0.1")};
  expect_invalid("127.0.0.1:443, which other machines can reach through those of --proxy-protocol-from,");
  flags.open_proxy = true;
  EXPECT_TRUE(validate(made()));
  flags.open_proxy = false;
  flags.listen = {at(":443")};
  flags.masque = {};
  EXPECT_TRUE(validate(made())) << "no proxy";
}

TEST_F(ConfigurationTest, FlagsWithoutAPurposeAreRefused) {
  EXPECT_TRUE(check_flags(flags));
  flags.certificates = {{.certificate = "c", .key = "k"}};
  expect_refused("not both");
  flags.self_signed.clear();
  EXPECT_TRUE(check_flags(flags));
  flags.write_certificate = "w";
  expect_refused("--write-cert");
  flags.write_certificate.clear();
  flags.certificates[0].key.clear();
  expect_refused("go together");
  flags.certificates.clear();
  expect_refused("needs a certificate");
  flags.self_signed = {"a.test"};
  flags.masque = {};
  for (const auto& [name, change] :
       {std::pair<const char*, void (*)(ServingFlags&)>{"--token-file", [](auto& f) { f.token_file = "t"; }},
        {"--open-proxy", [](auto& f) { f.open_proxy = true; }},
        {"--allow ", [](auto& f) { f.allow = {*net::IpPrefix::parse("10.0.0.0/8")}; }},
        {"--allow-port", [](auto& f) { f.allow_ports = {25}; }}}) {
    const ServingFlags before = flags;
    change(flags);
    expect_refused(name);
    expect_refused("--masque, which is not given");
    flags = before;
  }
  flags.etag = EtagParts::size_mtime;
  flags.files.clear();
  flags.masque.insert(masque::Protocol::tcp);
  expect_refused("--etag");
  flags.etag = EtagParts::size_mtime_ctime;
  flags.masque = {};
  expect_refused("nothing to do");
}

TEST_F(ConfigurationTest, ClientCertificatesHaveToBeWanted) {
  const ServingFlags before = flags;
  flags.client_certificate_required = false;
  expect_refused("--client-cert is for --client-ca");
  flags = before;
  flags.client_certificate_chain = true;
  expect_refused("--client-cert-chain is for --client-ca");
  flags.client_ca = {{"ca.pem", ""}};
  expect_refused("--client-cert-chain is for a --route");
  flags.client_certificate_chain = false;
  EXPECT_TRUE(check_flags(flags));
  flags.listen_http = {at("127.0.0.1:80")};
  expect_refused("--listen-http would serve everything without");
  flags.redirect_https = 0;
  EXPECT_TRUE(check_flags(flags));
  flags.redirect_https.reset();
  flags.client_certificate_required = false;
  EXPECT_TRUE(check_flags(flags));
  flags.client_certificate_required = true;
  flags.client_ca[0].listener = "127.0.0.1:443";
  EXPECT_TRUE(check_flags(flags)) << "that is meant";
}

TEST_F(ConfigurationTest, ACertificateForBackendsHasAKeyAndABackend) {
  flags.backend_certificate = "client.pem";
  expect_refused("--backend-cert and --backend-key go together");
  flags.backend_key = "client.key";
  expect_refused("--backend-cert is for a --route to https:// or h3://");
  flags.routes = {{.host = "a.test",
                   .path = "/",
                   .backends = {{.protocol = BackendProtocol::h3, .host = "b.test", .port = 443}}}};
  EXPECT_TRUE(check_flags(flags));
}

TEST_F(ConfigurationTest, ItsTextTellsEverythingButSecrets) {
  material.tokens = tokens("alice token-of-alice-01\n");
  flags.allow = {*net::IpPrefix::parse("10.0.0.0/8")};
  flags.allow_ports = {25};
  flags.masque.insert(masque::Protocol::tcp);
  const std::string text = to_text(made());
  for (const char* shown : {"listener 127.0.0.1:443", "a.test", "files /srv", "proxy udp,tcp", "tokens: 1",
                            "allow 10.0.0.0/8", "allow port 25", "cubic", "idle timeout 60 s"})
    EXPECT_THAT(text, HasSubstr(shown));
  for (const char* secret : {"alice", "token-of-alice", "PRIVATE"}) EXPECT_THAT(text, Not(HasSubstr(secret)));
  material.tokens.reset();
  EXPECT_THAT(to_text(made()), HasSubstr("for everybody"));
}

TEST_F(ConfigurationTest, PROXYHeadersAreOfListenersWithTcp) {
  flags.proxy_protocol_from = {*net::IpPrefix::parse("192.0.2.0/24"), *net::IpPrefix::parse("2001:db8::1")};
  flags.open_proxy = true;
  flags.listen_http = {at("127.0.0.1:80")};
  const Configuration all = made();
  ASSERT_EQ(all.listeners.size(), 3u);
  for (const Listener& listener : all.listeners) {
    EXPECT_EQ(listener.proxy_protocol_from, flags.proxy_protocol_from) << listener.id;
    Listener other = listener;
    EXPECT_EQ(other, listener);
    other.proxy_protocol_from.pop_back();
    EXPECT_NE(other, listener);
  }
  EXPECT_THAT(to_text(all), HasSubstr("listener http://127.0.0.1:80\n"
                                      "  address 127.0.0.1:80 (TCP, without TLS)\n"
                                      "  PROXY protocol from 192.0.2.0/24\n"
                                      "  PROXY protocol from 2001:db8::1/128\n"));
  flags.tcp = false;
  EXPECT_TRUE(made().listeners[0].proxy_protocol_from.empty());
  EXPECT_EQ(made().listeners[2].proxy_protocol_from, flags.proxy_protocol_from);
  EXPECT_TRUE(check_flags(flags));
  flags.listen_http.clear();
  expect_refused("--proxy-protocol-from is for connections over TCP, which --no-tcp disables");
}

}  // namespace
}  // namespace sallyport::config
