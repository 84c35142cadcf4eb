#include "cli/client_options.h"

#include "base/file.h"
#include "cli/command.h"
#include "cli/flag_values.h"
#include "dial/url.h"
#include "masque/token_lines.h"
#include "net/udp_open.h"
#include "tls/certificate.h"
#include "trace/keylog.h"
#include "trace/qlog.h"

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <string_view>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace sallyport::cli {
namespace {

dial::HttpChoice http_choice(const std::string& name) {
  return name == "h3"   ? dial::HttpChoice::h3
         : name == "h2" ? dial::HttpChoice::h2
         : name == "h1" ? dial::HttpChoice::h1
                        : dial::HttpChoice::automatic;
}

dial::TunnelMode mode_named(const std::string& name) {
  return name == "tcp"   ? dial::TunnelMode::tcp
         : name == "udp" ? dial::TunnelMode::udp
         : name == "ip"  ? dial::TunnelMode::ip
                         : dial::TunnelMode::automatic;
}

/// Empty for users without a home, as services and containers have them: nothing is kept then.
std::string default_cache_folder() {
  if (const char* xdg = std::getenv("XDG_CACHE_HOME"); xdg && *xdg) return std::string(xdg) + "/sallyport";
  const char* home = std::getenv("HOME");
  std::error_code ignored;
  if (!home || !*home || !std::filesystem::is_directory(home, ignored)) return {};
  return std::string(home) + "/.cache/sallyport";
}

/// Null: none is offered.
Result<std::shared_ptr<const tls::OfferedCertificate>> read_certificate(const ClientFlags& flags) {
  if (flags.certificate.empty()) {
    if (flags.key.empty()) return nullptr;
    return fail(ErrorKind::usage, "--key is the key of a --cert, which is not given");
  }
  const auto pair = tls::load_key_pair(flags.certificate, flags.key.empty() ? flags.certificate : flags.key);
  if (!pair) return of_flag("--cert and --key", pair.error());
  auto made = tls::OfferedCertificate::make(*pair);
  if (!made) return of_flag("--cert and --key", made.error());
  return made;
}

}  // namespace

Result<masque::ProxyTemplate> hop_of(const std::string& text, masque::Protocol carried) {
  const auto scheme_end = text.find("://");
  const std::size_t begin = scheme_end == std::string::npos ? 0 : scheme_end + 3;
  const std::string authority = text.substr(begin, text.find_first_of("/{", begin) - begin);
  if (authority.find('@') != std::string::npos)
    return fail(
        ErrorKind::usage,
        fmt::format("--via {}...@{}: a hop takes no user and password, but a token; put it into a file "
                    "and name that by --token-file FILE",
                    text.substr(0, begin), text.substr(text.rfind('@') + 1)));
  // A path may have commas, "{target_host},{target_port}".
  if (authority.find(',') != std::string::npos || text.find(",https://") != std::string::npos)
    return fail(
        ErrorKind::usage,
        fmt::format("--via {}: it takes one hop; repeat it for more, nearest first: --via {} --via ...", text,
                    text.substr(0, text.find(','))));
  auto hop = masque::ProxyTemplate::parse(text, carried);
  if (!hop)
    return fail(ErrorKind::usage,
                fmt::format("--via {}: {}", dial::without_credentials(text), hop.error().message));
  return hop;
}

void add_client_flags(CLI::App& app, ClientFlags& flags) {
  app.add_option("--http", flags.http, "HTTP version with the origin")
      ->check(CLI::IsMember({"auto", "h3", "h2", "h1"}))
      ->capture_default_str();
  app.add_option(
         "--mode", flags.mode,
         "What the last hop carries: QUIC in CONNECT-UDP (udp) or in IP packets in CONNECT-IP (ip), TLS "
         "in CONNECT (tcp), or in CONNECT-UDP or CONNECT, whichever is established first (auto)")
      ->check(CLI::IsMember({"auto", "udp", "tcp", "ip"}))
      ->capture_default_str();
  app.add_flag("--early-data", flags.early_data, "Send safe requests as 0-RTT where a ticket allows it");
  app.add_option("-E,--cert", flags.certificate, "A certificate chain, PEM, for origins that ask for one")
      ->type_name("FILE");
  app.add_option("--key", flags.key, "Its key, PEM; by itself in the same file")->type_name("FILE");
  add_hop_flags(app, flags);
}

void add_hop_flags(CLI::App& app, ClientFlags& flags) {
  app.add_option("--via", flags.via,
                 "A proxy to go through: [https://]HOST[:PORT] or a URI template; repeat it for more hops, "
                 "nearest first")
      ->type_name("PROXY")
      ->allow_extra_args(false);
  app.add_option("--via-http", flags.hop_http, "HTTP version with the hops")
      ->check(CLI::IsMember({"auto", "h3", "h2", "h1"}))
      ->capture_default_str();
  app.add_option(
         "--via-mode", flags.hop_modes,
         "What the hops before the last carry: QUIC in CONNECT-UDP (udp) or in CONNECT-IP (ip); given "
         "once for all of them, else once for each, in the order of --via; by itself udp")
      ->type_name("udp|ip")
      ->check(CLI::IsMember({"udp", "ip"}))
      ->allow_extra_args(false);
  app.add_option("--resolve", flags.resolve,
                 "Connect to these addresses for HOST:PORT instead of looking the name up; HOST may be '*'")
      ->type_name("HOST:PORT:ADDRESS[,ADDRESS]...")
      ->allow_extra_args(false);
  auto* ipv4 = app.add_flag("-4,--ipv4", flags.ipv4, "Connect to IPv4 addresses only");
  app.add_flag("-6,--ipv6", flags.ipv6, "Connect to IPv6 addresses only")->excludes(ipv4);
  app.add_option("--ca", flags.ca_files,
                 "Trust the certificates in this PEM file instead of the system's; repeat it for more files")
      ->type_name("FILE")
      ->allow_extra_args(false);
  app.add_flag("-k,--insecure", flags.insecure, "Do not verify certificates (of hops and origin)");
  app.add_option("--token-file", flags.token_files,
                 "Send the bearer token in the first line of FILE, TOKEN or NAME TOKEN, to the hops; given "
                 "once to all of them, else once for each --via, in their order")
      ->type_name("FILE")
      ->allow_extra_args(false);
  app.add_option("--cc", flags.congestion, "Congestion control")
      ->check(CLI::IsMember(names_of(quic::all_congestion_controls)))
      ->capture_default_str();
  app.add_option("--timeout", flags.timeout, "Seconds that each connection may take to be established")
      ->type_name("S")
      ->check(CLI::Range(0.05, 600.0))
      ->capture_default_str();
  app.add_option("--keep-alive", flags.keep_alive,
                 "Send a PING after this many idle seconds; 0: never. By itself tun does after 10 s, and get "
                 "after a third of --stall-timeout, 10 s at most")
      ->type_name("S")
      ->check(CLI::Range(0.0, 3600.0));
  app.add_option("--max-udp-payload", flags.max_udp_payload,
                 "Largest UDP payload that path MTU discovery may try")
      ->type_name("BYTES")
      ->check(CLI::Range(1200, 65527));
  app.add_option("--qlog", flags.qlog_folder, "Write a qlog file of every connection into this folder")
      ->type_name("DIR");
  app.add_option(
         "--keylog", flags.key_log,
         "Append TLS secrets to this file, for Wireshark; by itself to the one that SSLKEYLOGFILE names")
      ->type_name("FILE");
  app.add_option("--cache", flags.cache_folder, "Folder for TLS tickets and Alt-Svc records of origins")
      ->type_name("DIR");
  app.add_flag("--no-cache", flags.no_cache, "Neither read nor write the cache");
}

Result<std::string> read_token(const std::string& path) {
  const auto content = read_file(path, masque::TokenLines::max_file);
  if (!content) return of_flag("--token-file", content.error());
  masque::TokenLines lines(*content, path, true);
  const auto line = lines.next();
  if (!line) return of_flag("--token-file", line.error());
  if (!*line) return fail(ErrorKind::file, fmt::format("--token-file: there is no token in '{}'", path));
  return std::string((*line)->token);
}

/// What changes nothing is said, and what else was meant.
void ClientSession::hint_at_unused_flags(const ClientFlags& flags) {
  if (flags.via.empty()) {
    if (!flags.token_files.empty()) say("--token-file is for hops, and there is no --via; it is not used");
    if (flags.mode != "auto")
      say(fmt::format("--mode {} is for the last hop, and there is no --via; it changes nothing",
                      flags.mode));
    if (flags.hop_http != "h3")
      say(
          fmt::format("--via-http {} is for hops, and there is no --via; --http names the version with the "
                      "origin",
                      flags.hop_http));
  }
  if (!flags.hop_modes.empty() && flags.via.size() < 2)
    say("--via-mode is for the hops before the last, and there are none; --mode is for the last hop");
  if (flags.insecure && !flags.ca_files.empty())
    say("-k takes any certificate, so --ca changes nothing; leave -k out to have them checked");
  if (flags.no_cache && !flags.cache_folder.empty())
    say("--no-cache keeps nothing, so --cache changes nothing; leave one of them out");
  if (!flags.certificate.empty() && flags.early_data)
    say("with --cert no tickets are kept, so --early-data changes nothing");
  else if (flags.no_cache && flags.early_data)
    say("--early-data needs a ticket of an earlier run, and --no-cache keeps none; leave one of them out");
}

Result<std::unique_ptr<ClientSession>> ClientSession::make(const ClientFlags& flags) {
  std::unique_ptr<ClientSession> session(new ClientSession);
  if (auto done = session->set_up(flags); !done) return std::unexpected(done.error());
  return session;
}

ClientSession::~ClientSession() {
  if (!recorders_) return;
  recorders_.reset();  // writes what is left
  if (const std::uint64_t dropped = trace::qlog_events_dropped(); dropped > 0)
    say(fmt::format(
        "--qlog: events that were not recorded: {}, as the disk or this machine is too slow; figures "
        "from the files lack them",
        dropped));
}

Result<> check_hop_modes(const ClientFlags& flags) {
  const std::size_t modes = flags.hop_modes.size(), hops = flags.via.size();
  if (modes > 1 && modes + 1 != hops)
    return fail(
        ErrorKind::usage,
        fmt::format("{} --via-mode and {} --via; give one --via-mode for all hops before the last, or "
                    "one for each of them, in the order of --via",
                    modes, hops));
  const bool over_tcp = flags.hop_http == "h2" || flags.hop_http == "h1";
  if (over_tcp && hops > 1 && std::ranges::find(flags.hop_modes, "ip") != flags.hop_modes.end())
    return fail(ErrorKind::usage,
                fmt::format("--via-mode ip carries HTTP/3 only, and --via-http {} is for all hops; leave one "
                            "of them out",
                            flags.hop_http));
  return {};
}

Result<> ClientSession::read_hops(const ClientFlags& flags) {
  if (auto checked = check_hop_modes(flags); !checked) return checked;
  chain_.mode = mode_named(flags.mode);
  for (const std::string& mode : flags.hop_modes) chain_.hop_modes.push_back(mode_named(mode));
  for (const std::string& text : flags.via) {
    const auto mode = chain_.mode_of(chain_.hops.size(), flags.via.size());
    auto hop = hop_of(text, mode == dial::TunnelMode::ip ? masque::Protocol::ip : masque::Protocol::udp);
    if (!hop) return std::unexpected(hop.error());
    chain_.hops.push_back(std::move(*hop));
  }
  return read_tokens(flags);
}

Result<> ClientSession::set_up(const ClientFlags& flags) {
  if (auto read = read_hops(flags); !read) return read;
  chain_.http = http_choice(flags.http);
  chain_.hop_http = http_choice(flags.hop_http);
  if (chain_.mode == dial::TunnelMode::tcp && chain_.http == dial::HttpChoice::h3)
    return fail(ErrorKind::usage, "--mode tcp carries no HTTP/3; use --http h2, h1 or auto, or --mode udp");
  const bool over_tcp = chain_.http == dial::HttpChoice::h2 || chain_.http == dial::HttpChoice::h1;
  const bool only_quic = chain_.mode == dial::TunnelMode::udp || chain_.mode == dial::TunnelMode::ip;
  if (!flags.via.empty() && only_quic && over_tcp)
    return fail(ErrorKind::usage,
                fmt::format("--mode {} carries HTTP/3 only; use --mode tcp for --http {}, or --http h3",
                            flags.mode, flags.http));
  // Of many chains, as bench has them, each would say it.
  if (!flags.quiet)
    chain_.note = [last = std::make_shared<std::string>()](std::string_view sentence) {
      if (std::exchange(*last, sentence) != sentence) say(sentence);
    };

  dial::PinnedAddresses pinned;
  for (const std::string& text : flags.resolve)
    if (auto added = pinned.add(text); !added) return added;

  auto trust = tls::Trust::make({flags.ca_files, flags.insecure});
  if (!trust && !flags.ca_files.empty()) return of_flag("--ca", trust.error());
  if (!trust) return std::unexpected(trust.error());

  auto certificate = read_certificate(flags);
  if (!certificate) return std::unexpected(std::move(certificate.error()));

  if (auto opened = open_key_log(flags); !opened) return opened;
  if (!flags.qlog_folder.empty()) {
    trace::QlogOptions options;
    options.folder = flags.qlog_folder;
    auto made = trace::make_qlog_factory(options);
    if (!made) return of_flag("--qlog", made.error());
    recorders_ = std::move(*made);
  }

  if (!flags.no_cache)
    cache_folder_ = flags.cache_folder.empty() ? default_cache_folder() : flags.cache_folder;
  if (!flags.quiet) hint_at_unused_flags(flags);
  outbound_ =
      net::make_kernel_outbound(loop_, {.warn_small_buffers = false, .remember_names = flags.remember_names});
  context_ = std::make_unique<dial::Context>(dial::Context{
      *outbound_, {loop_.timers(), system_random(), recorders_.get(), key_log_}, {}, {}, std::move(*trust)});
  context_->config.congestion_control = named(flags.congestion, quic::all_congestion_controls);
  context_->config.keep_alive = seconds(flags.keep_alive.value_or(0));
  if (flags.max_udp_payload) context_->config.max_udp_payload = flags.max_udp_payload;
  context_->connect_timeout = seconds(flags.timeout);
  context_->certificate = std::move(*certificate);
  context_->pinned = std::move(pinned);
  context_->family = flags.ipv4   ? dial::AddressFamily::ipv4
                     : flags.ipv6 ? dial::AddressFamily::ipv6
                                  : dial::AddressFamily::any;
  context_->early_data = flags.early_data;
  context_->unix_time = std::time(nullptr);
  if (cache_folder_.empty()) return {};
  context_->sessions = &sessions_;
  context_->memory = &memory_;
  // A cache that cannot be read costs a round trip, not the work.
  if (auto loaded = memory_.load(cache_folder_ + "/origins.json"); !loaded) say(loaded.error().message);
  const std::string tickets = cache_folder_ + "/sessions";
  if (file_exists(tickets))
    if (auto loaded = sessions_.load(tickets); !loaded) say(loaded.error().message);
  return {};
}

Result<> ClientSession::read_tokens(const ClientFlags& flags) {
  const std::size_t files = flags.token_files.size(), hops = flags.via.size();
  if (files > 1 && files != hops)
    return fail(ErrorKind::usage,
                fmt::format("{} --token-file and {} --via; give one --token-file for all hops, or one for "
                            "each, in the order of --via",
                            files, hops));
  for (const std::string& file : flags.token_files) {
    auto token = read_token(file);
    if (!token) return std::unexpected(token.error());
    chain_.tokens.push_back(std::move(*token));
  }
  return {};
}

/// What nobody named on the command line is no reason to fail.
Result<> ClientSession::open_key_log(const ClientFlags& flags) {
  constexpr const char* variable = "SSLKEYLOGFILE";
  const char* const path = std::getenv(variable);
  const bool by_flag = !flags.key_log.empty();
  if (!by_flag && (path == nullptr || *path == '\0')) return {};
  auto opened = trace::open_key_log(by_flag ? flags.key_log : path);
  if (opened)
    key_log_ = std::move(*opened);
  else if (by_flag)
    return of_flag("--keylog", opened.error());
  else if (!flags.quiet)
    say(fmt::format("{}: {}; TLS secrets are not written", variable, opened.error().message));
  return {};
}

void ClientSession::hint_at_small_buffers(std::uint64_t bytes) const {
  constexpr std::uint64_t much = 32ULL << 20;
  if (bytes < much) return;
  const std::string hint = net::small_udp_buffers({});
  if (hint.empty()) return;
  const std::string said = cache_folder_ + "/udp-buffers";
  if (!cache_folder_.empty()) {
    const auto before = read_file(said, 4096);
    if (before && *before == hint + "\n") return;
    std::error_code ignored;
    std::filesystem::create_directories(cache_folder_, ignored);
    // What cannot be remembered is said again.
    [[maybe_unused]] const auto noted = write_file(said, hint + "\n", 0600, IfExists::replace);
  }
  say(hint);
}

void ClientSession::save_caches() {
  if (cache_folder_.empty()) return;
  std::error_code ignored;
  std::filesystem::create_directories(cache_folder_, ignored);
  auto saved = memory_.save(cache_folder_ + "/origins.json");
  if (saved) saved = sessions_.save(cache_folder_ + "/sessions");
  if (!saved) say(saved.error().message + "; --cache DIR names another folder, and --no-cache keeps nothing");
}

}  // namespace sallyport::cli
