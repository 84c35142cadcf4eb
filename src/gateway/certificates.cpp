#include "gateway/certificates.h"

#include "base/escape.h"
#include "base/file.h"
#include "base/log.h"
#include "tls/certificate.h"

#include <chrono>
#include <utility>

#include <fmt/format.h>

namespace sallyport::gateway {
namespace {

/// What an earlier start wrote may be, a key or a token file that was named by mistake may not.
bool may_be_replaced(const std::string& path) {
  const auto content = read_file(path, 1024 * 1024);
  if (!content) return !file_exists(path);
  return content->empty() ||
         (content->starts_with("-----BEGIN CERTIFICATE-----") && !content->contains("PRIVATE KEY"));
}

Result<tls::KeyPair> make_self_signed_pair(const Settings& settings) {
  auto pair = tls::make_self_signed(settings.self_signed);
  if (!pair) return pair;
  const auto fingerprint = tls::spki_fingerprint(pair->certificate_pem);
  if (!fingerprint) return std::unexpected(fingerprint.error());
  if (!settings.write_certificate.empty() && !may_be_replaced(settings.write_certificate))
    return fail(ErrorKind::file,
                fmt::format("--write-cert: {} exists and is not a certificate; name another file",
                            settings.write_certificate));
  if (!settings.write_certificate.empty())
    if (auto written = write_file(settings.write_certificate, pair->certificate_pem, 0644, IfExists::replace);
        !written)
      return fail(written.error().kind, "--write-cert: " + written.error().message);
  log_info("self-signed certificate for {}, SPKI fingerprint {}; clients trust it with {}",
           fmt::join(settings.self_signed, ", "), *fingerprint,
           settings.write_certificate.empty() ? std::string("-k, or with --ca and a file from --write-cert")
                                              : "--ca " + settings.write_certificate);
  return pair;
}

}  // namespace

Certificates::Certificates(Settings settings)
    : settings_(std::move(settings)),
      label_(is_self_signed() ? "self-signed" : escaped(settings_.certificate_file)) {}

Result<> Certificates::load() {
  auto pair = is_self_signed() ? make_self_signed_pair(settings_)
                               : tls::load_key_pair(settings_.certificate_file, settings_.key_file);
  if (!pair)
    return fail(pair.error().kind, (is_self_signed() ? "" : "--cert and --key: ") + pair.error().message);
  auto chain = tls::validity_of(pair->certificate_pem);
  if (!chain) return std::unexpected(std::move(chain.error()));
  auto credentials = tls::ServerCredentials::make({std::move(*pair)});
  if (!credentials) return std::unexpected(std::move(credentials.error()));
  credentials_ = std::move(*credentials);
  chain_ = std::move(*chain);
  return {};
}

void Certificates::warn_of_dates() const {
  const std::string place = is_self_signed() ? "made for --self-signed" : "in " + settings_.certificate_file;
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  if (const auto concern = tls::concern_about(chain_, place, now))
    log_warn("{}; {}", *concern,
             is_self_signed() ? "start the gateway again for another one"
                              : "put a new one there, with its key, and send SIGHUP");
}

void Certificates::collect(MetricSet& out) const {
  if (chain_.empty()) return;
  out.gauge("certificate_not_after_seconds",
            "When the first certificate of the chain expires, in seconds since 1970.",
            static_cast<double>(tls::end_of(chain_).time_since_epoch().count()),
            {{"certificate", std::string_view(label_)}});
}

}  // namespace sallyport::gateway
