#include "gateway/process_check.h"

#include "admin/token_file.h"
#include "base/log.h"
#include "base/of_flag.h"
#include "base/warn_of_readers.h"
#include "config/text_lines.h"
#include "gateway/access_log.h"
#include "gateway/exposed_secrets.h"
#include "gateway/ip_service.h"
#include "gateway/ready_file.h"
#include "net/unix_socket.h"
#include "tls/server_secret.h"
#include "trace/keylog.h"
#include "trace/qlog.h"

#include <fmt/format.h>

namespace sallyport::gateway {
namespace {

Result<> check_admin_pages(const Settings& settings, config::TextLines& lines) {
  if (!settings.admin && settings.admin_socket.empty()) return {};
  lines.line(0, "admin pages on {}",
             settings.admin ? settings.admin->to_string() : "unix:" + settings.admin_socket);
  if (settings.admin_token_file.empty()) {
    lines.line(1, "/metrics and leases for everybody who can reach it");
    return {};
  }
  const auto tokens = admin::TokenFile::open("--admin-token-file", settings.admin_token_file);
  if (!tokens) return std::unexpected(tokens.error());
  lines.line(1, "/metrics and leases for those with a bearer token; tokens: {}", tokens->tokens()->size());
  return {};
}

Result<> check_secret(const std::string& file, config::TextLines& lines) {
  if (file.empty()) {
    lines.line(0, "secret random, so session tickets and tokens end with the process");
    return {};
  }
  const auto secret = tls::ServerSecret::from_file(file);
  if (!secret) return of_flag("--secret-file", secret.error());
  warn_of_readers("--secret-file", file);
  lines.line(0, "secret from {}", file);
  return {};
}

Result<> check_logs(const Settings& settings, config::TextLines& lines) {
  if (const auto& file = settings.key_log; !file.empty()) {
    if (auto done = trace::check_key_log(file); !done) return of_flag("--keylog", done.error());
    lines.line(0, "TLS key log {}", file);
  }
  if (const auto& folder = settings.qlog; !folder.empty()) {
    if (auto done = trace::check_qlog_folder(folder); !done) return of_flag("--qlog", done.error());
    lines.line(0, "qlog folder {}", folder);
  }
  if (const auto& file = settings.access_log; !file.empty()) {
    if (auto done = AccessLog::check(file); !done) return done;
    lines.line(0, "access log {} ({})", file == "-" ? "on standard output" : file,
               settings.access_format == AccessFormat::json ? "JSON lines" : "Combined Log Format");
  }
  return {};
}

}  // namespace

Result<std::string> check_process(const Settings& settings, const std::optional<User>& user) {
  config::TextLines lines;
  if (!settings.self_signed.empty())
    lines.line(0, "self-signed certificate: another one at each start{}",
               settings.write_certificate.empty() ? "" : ", written to " + settings.write_certificate);
  // In the order of the start, so that the first error is the same.
  if (auto done = as_user(user, [&] { return ReadyFile(settings.ready_file).check(); }); !done)
    return std::unexpected(done.error());
  if (!settings.ready_file.empty()) lines.line(0, "ready file {}", settings.ready_file);
  if (auto done = as_user(user, [&] { return check_admin_pages(settings, lines); }); !done)
    return std::unexpected(done.error());
  if (auto done = check_secret(settings.secret_file, lines); !done) return std::unexpected(done.error());
  if (auto done = as_user(user, [&] { return check_logs(settings, lines); }); !done)
    return std::unexpected(done.error());
  if (settings.masque.contains(masque::Protocol::ip)) {
    if (auto done = IpService::check(settings.ip); !done) return std::unexpected(done.error());
    for (const net::IpPrefix& prefix : settings.ip.pool)
      lines.line(0, "CONNECT-IP addresses of {}", prefix.to_string());
    for (const net::IpPrefix& prefix : settings.ip.routes) lines.line(1, "route {}", prefix.to_string());
    for (const net::IpPrefix& prefix : settings.ip.client_networks)
      lines.line(1, "clients may announce networks in {}", prefix.to_string());
    if (settings.ip.between_clients) lines.line(1, "clients may reach each other");
    if (settings.ip.nat) lines.line(1, "packets that leave this machine get its address (nftables)");
  }
  for (const std::string& warning : exposed_secrets(settings)) log_warn("{}", warning);
  if (const auto& path = settings.admin_socket; !path.empty())
    if (auto done = as_user(user, [&] { return net::check_unix_socket(path); }); !done)
      return of_flag("--admin unix", done.error());
  if (user) lines.line(0, "runs as {}, without privileges, once it listens", user->to_string());
  lines.line(0, "grace period {:g} s", in_seconds(settings.grace));
  return lines.take();
}

}  // namespace sallyport::gateway
