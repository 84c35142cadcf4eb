#include "cli/gateway.h"

#include "base/file.h"
#include "base/log.h"
#include "cli/admin_flags.h"
#include "cli/command.h"
#include "cli/flag_values.h"
#include "config/route_flag.h"
#include "gateway/gateway.h"
#include "masque/policy.h"
#include "net/listen_address.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace sallyport::cli {
namespace {

struct GatewayFlags {
  std::vector<std::string> listen{":443"}, masque, allow, certificates, keys, client_ca;
  std::string client_certificates;
  std::vector<std::string> listen_http;
  std::string redirect_https;  // the port; "0": that of --listen; empty: not given
  std::vector<std::string> ip_pool, ip_routes, ip_client_networks, routes, trusted_proxies,
      proxy_protocol_from;
  std::vector<unsigned> allow_ports;
  std::string congestion{to_string(quic::CongestionControl::cubic)},
      retry{to_string(quic::RetryPolicy::under_load)};
  std::string admin, log_level = "info", access_format = "json", etag = "size-mtime-ctime";
  double idle_timeout = 60, udp_tunnel_idle = 120, tcp_tunnel_idle = 600, grace = 10;
  bool no_tcp = false, no_quic = false, check = false;
  gateway::Settings settings;
};

Result<> read_masque(const GatewayFlags& flags, gateway::Settings& settings) {
  for (const auto& protocol : flags.masque) {
    if (protocol == "udp")
      settings.masque.insert(masque::Protocol::udp);
    else if (protocol == "tcp")
      settings.masque.insert(masque::Protocol::tcp);
    else if (protocol == "ip")
      settings.masque.insert(masque::Protocol::ip);
    else
      return fail(ErrorKind::usage,
                  fmt::format("--masque does not know '{}'; it takes udp, tcp, ip, or several: udp,tcp,ip",
                              protocol));
  }
  struct Prefixes {
    std::string_view flag;
    const std::vector<std::string>& from;
    std::vector<net::IpPrefix>& to;
  };
  for (const auto& [flag, from, to] :
       {Prefixes{"--allow", flags.allow, settings.allow},
        Prefixes{"--ip-pool", flags.ip_pool, settings.ip.pool},
        Prefixes{"--ip-route", flags.ip_routes, settings.ip.routes},
        Prefixes{"--trust-forwarded", flags.trusted_proxies, settings.trusted_proxies},
        Prefixes{"--ip-client-network", flags.ip_client_networks, settings.ip.client_networks}})
    if (auto read = read_prefixes(flag, from, to); !read) return read;
  for (const unsigned port : flags.allow_ports) {
    // Whoever names another one takes the flag for a list of all that is allowed.
    if (!masque::is_refused_port(static_cast<std::uint16_t>(port)))
      return fail(ErrorKind::usage,
                  fmt::format("--allow-port {} changes nothing: all ports but 25 are allowed anyway", port));
    settings.allow_ports.push_back(static_cast<std::uint16_t>(port));
  }
  return {};
}

Result<> read_routes(const GatewayFlags& flags, gateway::Settings& settings) {
  for (const std::string& text : flags.routes) {
    auto route = config::parse_route(text);
    if (!route) return std::unexpected(std::move(route.error()));
    settings.routes.push_back(std::move(*route));
  }
  return {};
}

/// `--self-signed localhost site`: every word behind the flag is a name.
Result<> check_names(const gateway::Settings& settings) {
  std::error_code ignored;
  if (!settings.files.empty() || settings.self_signed.size() < 2 ||
      !std::filesystem::is_directory(settings.self_signed.back(), ignored))
    return {};
  return fail(
      ErrorKind::usage,
      fmt::format("--self-signed takes all words behind it for names, and '{0}' is a folder; to serve "
                  "what is in it, write --files {0}",
                  settings.self_signed.back()));
}

/// A file, and the --listen that it is for, as it stands before a "=": the IDs of the listeners that it
/// makes.
struct ListenerFile {
  std::vector<std::string> listeners{""};  // all of them
  std::string file;
};

/// `listeners`: those of each --listen.
Result<ListenerFile> read_listener_file(const GatewayFlags& flags,
                                        const std::vector<std::vector<std::string>>& listeners,
                                        std::string_view flag, const std::string& text) {
  for (std::size_t i = 0; i < flags.listen.size(); ++i)
    if (text.starts_with(flags.listen[i] + "="))
      return ListenerFile{listeners[i], text.substr(flags.listen[i].size() + 1)};
  // A file's name may look like that, too.
  const std::string listener = text.substr(0, text.find('='));
  if (listener.size() < text.size() && net::has_port(listener) && !file_exists(text))
    return fail(
        ErrorKind::usage,
        fmt::format("{} {}: there is no --listen {}; before the = stands one as it is given there: {}", flag,
                    text, listener, fmt::join(flags.listen, ", ")));
  return ListenerFile{.file = text};
}

Result<> read_certificates(const GatewayFlags& flags, const std::vector<std::vector<std::string>>& listeners,
                           gateway::Settings& settings) {
  if (flags.certificates.size() != flags.keys.size())
    return fail(ErrorKind::usage,
                flags.certificates.size() + flags.keys.size() == 1
                    ? "--cert and --key go together; one of them is missing"
                    : fmt::format("--cert and --key go together, the first with the first and so on; there "
                                  "are {} of --cert and {} of --key",
                                  flags.certificates.size(), flags.keys.size()));
  for (std::size_t i = 0; i < flags.certificates.size(); ++i) {
    const auto certificate = read_listener_file(flags, listeners, "--cert", flags.certificates[i]);
    if (!certificate) return std::unexpected(certificate.error());
    const auto key = read_listener_file(flags, listeners, "--key", flags.keys[i]);
    if (!key) return std::unexpected(key.error());
    if (!key->listeners.front().empty() && key->listeners != certificate->listeners)
      return fail(ErrorKind::usage,
                  fmt::format("--key {} is for another listener than its --cert {}; name the listener with "
                              "--cert",
                              flags.keys[i], flags.certificates[i]));
    for (const std::string& listener : certificate->listeners)
      settings.certificates.push_back({certificate->file, key->file, listener});
  }
  return {};
}

Result<> read_client_authorities(const GatewayFlags& flags,
                                 const std::vector<std::vector<std::string>>& listeners,
                                 gateway::Settings& settings) {
  for (const std::string& text : flags.client_ca) {
    const auto authorities = read_listener_file(flags, listeners, "--client-ca", text);
    if (!authorities) return std::unexpected(authorities.error());
    for (const std::string& listener : authorities->listeners)
      settings.client_ca.push_back({authorities->file, listener});
  }
  settings.client_certificate_required = flags.client_certificates != "optional";
  if (flags.client_certificates == "required" && flags.client_ca.empty())
    return fail(ErrorKind::usage, "--client-cert is for --client-ca, which is not given");
  return {};
}

/// `listeners` gets the IDs of those of each --listen.
Result<> read_addresses(const GatewayFlags& flags, gateway::Settings& settings,
                        std::vector<std::vector<std::string>>& listeners) {
  for (const auto& text : flags.listen) {
    auto addresses = net::parse_listen(text);
    if (!addresses) return of_flag("--listen", addresses.error());
    listeners.emplace_back();
    for (const net::SocketAddress& address : *addresses) {
      settings.listen.push_back(address);
      listeners.back().push_back(config::listener_id(settings, settings.listen.size() - 1));
    }
  }
  for (const auto& text : flags.listen_http) {
    auto addresses = net::parse_listen(text);
    if (!addresses) return of_flag("--listen-http", addresses.error());
    settings.listen_http.insert(settings.listen_http.end(), addresses->begin(), addresses->end());
  }
  if (auto read =
          read_prefixes("--proxy-protocol-from", flags.proxy_protocol_from, settings.proxy_protocol_from);
      !read)
    return read;
  auto admin = read_admin(flags.admin);
  if (!admin) return std::unexpected(std::move(admin.error()));
  settings.admin = admin->address;
  settings.admin_socket = admin->socket;
  return {};
}

Result<gateway::Settings> read_settings(const GatewayFlags& flags) {
  gateway::Settings settings = flags.settings;
  std::vector<std::vector<std::string>> listeners;
  if (auto done = read_masque(flags, settings); !done) return std::unexpected(std::move(done.error()));
  if (auto done = read_routes(flags, settings); !done) return std::unexpected(std::move(done.error()));
  if (auto done = check_names(settings); !done) return std::unexpected(std::move(done.error()));
  if (auto done = read_addresses(flags, settings, listeners); !done)
    return std::unexpected(std::move(done.error()));
  if (auto done = read_certificates(flags, listeners, settings); !done)
    return std::unexpected(std::move(done.error()));
  if (auto done = read_client_authorities(flags, listeners, settings); !done)
    return std::unexpected(std::move(done.error()));
  settings.tcp = !flags.no_tcp;
  settings.quic = !flags.no_quic;
  if (!flags.redirect_https.empty())
    settings.redirect_https = static_cast<std::uint16_t>(std::stoul(flags.redirect_https));  // checked below
  if (flags.access_format != "json" && settings.access_log.empty())
    return fail(ErrorKind::usage, "--access-log-format is for --access-log, which is not given");
  settings.congestion_control = named(flags.congestion, quic::all_congestion_controls);
  settings.retry = named(flags.retry, quic::all_retry_policies);
  settings.access_format =
      flags.access_format == "common" ? gateway::AccessFormat::common : gateway::AccessFormat::json;
  settings.etag =
      flags.etag == "size-mtime" ? config::EtagParts::size_mtime : config::EtagParts::size_mtime_ctime;
  settings.idle_timeout = seconds(flags.idle_timeout);
  settings.udp_tunnel_idle = seconds(flags.udp_tunnel_idle);
  settings.tcp_tunnel_idle = seconds(flags.tcp_tunnel_idle);
  settings.grace = seconds(flags.grace);
  return settings;
}

Result<int> run_gateway(const GatewayFlags& flags) {
  // Whoever read our log or our standard output may go away; we serve on.
  std::signal(SIGPIPE, SIG_IGN);
  log_without_waiting();
  set_log_level(*parse_log_level(flags.log_level));
  auto settings = read_settings(flags);
  if (!settings) return std::unexpected(std::move(settings.error()));
  if (flags.check) {
    const auto text = gateway::Gateway::check(*settings);
    if (!text) return std::unexpected(text.error());
    print(stdout, *text);
    return 0;
  }
  auto gateway = gateway::Gateway::start(std::move(*settings));
  if (!gateway) return std::unexpected(std::move(gateway.error()));
  (*gateway)->run();
  return 0;
}

}  // namespace

void add_gateway(CLI::App& app, ExitStatus& status) {
  auto flags = std::make_shared<GatewayFlags>();
  auto& settings = flags->settings;
  CLI::App* gateway = app.add_subcommand(
      "gateway", "Serve files and sites behind it, and proxy by MASQUE, over HTTP/3, /2 and /1.1");

  gateway
      ->add_option("--listen", flags->listen,
                   "Listen on this address, UDP and TCP; repeat it for more; port 0 takes a free one")
      ->type_name("HOST:PORT")
      ->allow_extra_args(false)
      ->capture_default_str();
  gateway->add_flag("--no-tcp", flags->no_tcp, "HTTP/3 only");
  gateway->add_flag("--no-quic", flags->no_quic, "HTTP/2 and HTTP/1.1 only");
  gateway
      ->add_option("--listen-http", flags->listen_http,
                   "Listen on this address for HTTP/1.1 without TLS, too; repeat it for more")
      ->type_name("HOST:PORT")
      ->allow_extra_args(false);
  gateway
      ->add_flag("--redirect-https{0}", flags->redirect_https,
                 "Redirect what comes by --listen-http to https:// at the port of --listen, or with =PORT at "
                 "another one, where clients reach that from outside")
      ->type_name("PORT")
      ->check(CLI::Range(0, 65535));
  gateway
      ->add_option(
          "--alt-svc-port", settings.alt_svc_port,
          "The UDP port to advertise in Alt-Svc, where clients reach HTTP/3 on another than --listen's")
      ->type_name("PORT")
      ->check(CLI::Range(1, 65535));
  gateway
      ->add_option(
          "--proxy-protocol-from", flags->proxy_protocol_from,
          "TCP connections from these addresses, of load balancers, begin with a PROXY header (v1 or "
          "v2) that names the client; repeat it for more")
      ->type_name("PREFIX")
      ->allow_extra_args(false);
  gateway
      ->add_option("--cert", flags->certificates,
                   "A certificate chain, PEM; repeat it for more: the server name that a client asks for "
                   "chooses; with a --listen before it, for that one only")
      ->type_name("[HOST:PORT=]FILE")
      ->allow_extra_args(false);
  gateway->add_option("--key", flags->keys, "Its key, PEM; the first for the first --cert, and so on")
      ->type_name("FILE")
      ->allow_extra_args(false);
  gateway
      ->add_option("--self-signed", settings.self_signed,
                   "Make a certificate for all names or addresses that follow, valid 13 days")
      ->type_name("NAME")
      ->expected(1, -1);
  gateway
      ->add_option("--write-cert", settings.write_certificate,
                   "Put the self-signed certificate here, for --ca of clients")
      ->type_name("FILE");

  gateway
      ->add_option("--client-ca", flags->client_ca,
                   "Ask clients for a certificate that an authority in this file issued, PEM; repeat it for "
                   "more; with a --listen before it, on that one, and there in place of those for all")
      ->type_name("[HOST:PORT=]FILE")
      ->allow_extra_args(false);
  gateway
      ->add_option("--client-cert", flags->client_certificates,
                   "Whether a client without a certificate is refused, as it is by default, or served")
      ->check(CLI::IsMember({"required", "optional"}));
  gateway->add_flag("--client-cert-chain", settings.client_certificate_chain,
                    "Tell backends the issuers that a client sent, too, in Client-Cert-Chain");

  gateway
      ->add_option(
          "--route", flags->routes,
          "Forward requests for this host, below this path, to a backend: http://, https://, h2c:// or "
          "h3://, "
          "several with commas between them, each with #WEIGHT behind it; or redirect:URL, or "
          "respond:STATUS. "
          "Options follow: ;method=POST, ;header=NAME:VALUE, ;prefix=/NEW, ;timeout=SECONDS and more (quote "
          "it all; see "
          "docs/gateway.md); repeat it for more")
      ->type_name("HOST[/PATH]=URL[;OPTION...]")
      ->allow_extra_args(false);
  gateway
      ->add_option(
          "--backend-ca", settings.backend_ca,
          "Trust the certificates in this file for backends, in place of the system's; repeat it for "
          "more")
      ->type_name("FILE")
      ->allow_extra_args(false);
  gateway
      ->add_option(
          "--trust-forwarded", flags->trusted_proxies,
          "Believe what proxies with these addresses say of their clients in X-Forwarded-*, Forwarded "
          "and X-Request-ID; repeat it for more")
      ->type_name("PREFIX")
      ->allow_extra_args(false);
  gateway
      ->add_option("--backend-cert", settings.backend_certificate,
                   "A certificate chain, PEM, for https:// and h3:// backends that ask for one")
      ->type_name("FILE");
  gateway->add_option("--backend-key", settings.backend_key, "Its key, PEM")->type_name("FILE");
  gateway->add_option("--files", settings.files, "Serve the files below this folder")->type_name("DIR");
  gateway
      ->add_option("--etag", flags->etag,
                   "Make ETags of files over 64 KiB of this; size-mtime is the same on replicas whose files "
                   "keep their dates; smaller files have a hash of their content")
      ->check(CLI::IsMember({"size-mtime-ctime", "size-mtime"}))
      ->capture_default_str();
  gateway
      ->add_option("--masque", flags->masque,
                   "Proxy UDP (CONNECT-UDP), TCP (CONNECT) or IP (CONNECT-IP), or several: udp,tcp,ip")
      ->type_name("PROTOCOLS")
      ->delimiter(',')
      ->allow_extra_args(false);
  gateway
      ->add_option("--allow", flags->allow,
                   "Proxy to these addresses although they are private or special; repeat it for more")
      ->type_name("PREFIX")
      ->allow_extra_args(false);
  gateway
      ->add_option("--allow-port", flags->allow_ports,
                   "Proxy to this port although it is refused otherwise: 25 (SMTP); repeat it for more")
      ->type_name("PORT")
      ->check(CLI::Range(1, 65535))
      ->allow_extra_args(false);
  gateway
      ->add_option("--ip-pool", flags->ip_pool,
                   "CONNECT-IP: assign clients addresses of this prefix, whose first one is the gateway's; "
                   "repeat it for more")
      ->type_name("PREFIX")
      ->allow_extra_args(false);
  gateway
      ->add_option("--ip-route", flags->ip_routes,
                   "CONNECT-IP: advertise this route to clients, in place of all; repeat it for more")
      ->type_name("PREFIX")
      ->allow_extra_args(false);
  gateway
      ->add_option("--ip-client-network", flags->ip_client_networks,
                   "CONNECT-IP: clients may announce networks in this prefix; repeat it for more")
      ->type_name("PREFIX")
      ->allow_extra_args(false);
  gateway->add_flag("--ip-nat", settings.ip.nat,
                    "CONNECT-IP: give packets of clients that leave this machine its address, by nftables");
  gateway->add_flag("--ip-between-clients", settings.ip.between_clients,
                    "CONNECT-IP: clients may reach each other");
  gateway->add_option("--ip-device", settings.ip.device, "CONNECT-IP: the name of the TUN device")
      ->type_name("NAME");
  gateway
      ->add_option("--token-file", settings.token_file,
                   "Proxy for those who have a bearer token of this file: one NAME TOKEN a line")
      ->type_name("FILE");
  gateway->add_flag("--open-proxy", settings.open_proxy,
                    "Proxy for everybody, on addresses that other machines reach, too");
  gateway
      ->add_option("--max-tunnels", settings.max_tunnels,
                   "Tunnels that one identity, or one client address without a token, may have open")
      ->type_name("N")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();

  gateway
      ->add_option("--udp-tunnel-idle", flags->udp_tunnel_idle,
                   "End a UDP tunnel through which nothing came for this many seconds")
      ->type_name("S")
      ->check(CLI::Range(1.0, 86400.0))
      ->capture_default_str();
  gateway
      ->add_option("--tcp-tunnel-idle", flags->tcp_tunnel_idle,
                   "End a TCP tunnel through which nothing came for this many seconds")
      ->type_name("S")
      ->check(CLI::Range(1.0, 86400.0))
      ->capture_default_str();

  add_admin_flags(*gateway, flags->admin, settings.admin_token_file);
  gateway->add_option("--qlog", settings.qlog, "Write a qlog file of every QUIC connection into this folder")
      ->type_name("DIR");
  gateway->add_option("--keylog", settings.key_log, "Append TLS secrets to this file, for Wireshark")
      ->type_name("FILE");
  gateway
      ->add_option(
          "--access-log", settings.access_log,
          "Append one line for each request and tunnel to this file when it ends; - is standard output; "
          "SIGUSR1 reopens it")
      ->type_name("FILE");
  gateway->add_option("--access-log-format", flags->access_format, "JSON lines, or the Combined Log Format")
      ->check(CLI::IsMember({"json", "common"}))
      ->capture_default_str();
  gateway
      ->add_option("--log-level", flags->log_level, "Log level on standard error; debug logs each connection")
      ->check(CLI::IsMember({"debug", "info", "warn", "error", "off"}))
      ->capture_default_str();
  gateway
      ->add_option("--ready-file", settings.ready_file,
                   "Write the addresses here, one a line, once all of them listen; removed at the end")
      ->type_name("FILE");

  gateway
      ->add_option("--user", settings.user,
                   "Started by root: once all ports are open, go on as this user, without any privileges")
      ->type_name("NAME[:GROUP]");
  gateway->add_flag("--check", flags->check,
                    "Read the flags and the files that they name, print what they mean, and exit");
  gateway->add_option("--workers", settings.workers, "Threads; 0: one for each core")
      ->type_name("N")
      ->check(CLI::Range(0, 256))
      ->capture_default_str();
  gateway->add_option("--cc", flags->congestion, "Congestion control")
      ->check(CLI::IsMember(names_of(quic::all_congestion_controls)))
      ->capture_default_str();
  gateway
      ->add_option("--retry", flags->retry,
                   "Validate client addresses by Retry: auto does so under load only")
      ->check(CLI::IsMember(names_of(quic::all_retry_policies)))
      ->capture_default_str();
  gateway
      ->add_option("--idle-timeout", flags->idle_timeout,
                   "Close connections without a request, and end requests in which nothing moves, after this "
                   "many seconds; tunnels have times of their own")
      ->type_name("S")
      ->check(CLI::Range(1.0, 86400.0))
      ->capture_default_str();
  gateway
      ->add_option("--grace", flags->grace,
                   "Graceful shutdown: seconds to wait after SIGTERM for open requests and tunnels")
      ->type_name("S")
      ->check(CLI::Range(0.0, 86400.0))
      ->capture_default_str();
  gateway
      ->add_option(
          "--secret-file", settings.secret_file,
          "At least 32 bytes from which keys for tickets, tokens and resets are made; the same for all "
          "gateways of a deployment")
      ->type_name("FILE");
  gateway
      ->add_option("--server-id", settings.server_id,
                   "This gateway's number among them, in its connection IDs")
      ->type_name("N")
      ->check(CLI::Range(0, 65535))
      ->capture_default_str();
  gateway->callback([flags, &status] { finish_with(run_gateway(*flags), status); });
}

}  // namespace sallyport::cli
