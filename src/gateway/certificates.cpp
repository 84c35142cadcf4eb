#include "gateway/certificates.h"

#include "base/escape.h"
#include "base/file.h"
#include "base/log.h"
#include "base/of_flag.h"
#include "base/warn_of_readers.h"
#include "tls/certificate.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include <fmt/format.h>

namespace sallyport::gateway {
namespace {

/// A certificate of an earlier start may be overwritten; a key or a token file named by mistake may not.
bool may_be_replaced(const std::string& path) {
  const auto content = read_file(path, 1024 * 1024);
  if (!content) return !file_exists(path);
  return content->empty() ||
         (content->starts_with("-----BEGIN CERTIFICATE-----") && !content->contains("PRIVATE KEY"));
}

/// Whether the self-signed certificate can be written there.
Result<> check_output(const std::string& path) {
  if (path.empty()) return {};
  if (auto done = check_write_file(path); !done) return of_flag("--write-cert", done.error());
  if (!may_be_replaced(path))
    return fail(ErrorKind::file,
                fmt::format("--write-cert: {} exists and is not a certificate; name another file", path));
  return {};
}

}  // namespace

Certificates::Certificates(config::ServingFlags flags) : flags_(std::move(flags)) {
  for (const config::CertificateFiles& pair : flags_.certificates) {
    files_.emplace_back(pair.certificate);
    files_.emplace_back(pair.key);
  }
}

Result<> Certificates::load() {
  if (is_self_signed() && !credentials_.empty()) return {};
  auto done = read();
  if (done) note_changes();
  // The system could not read one of them.
  if (!done && done.error().code != 0)
    for (files::WatchedFile& file : files_) file.note_unread();
  return done;
}

void Certificates::note_changes() {
  std::vector<files::FileIdentity> now;
  now.reserve(files_.size());
  for (const files::WatchedFile& file : files_) now.push_back(file.noted());
  std::set<std::string> keys;
  changed_.clear();
  for (std::size_t i = 0; i < now.size(); i += 2) {
    const bool same = !in_use_.empty() && now[i] == in_use_[i] && now[i + 1] == in_use_[i + 1];
    // For a name with several addresses, each of its listeners has the same pair.
    if (!same && std::ranges::find(changed_, files_[i].path()) == changed_.end())
      changed_.push_back(files_[i].path());
    if (!same) keys.insert(files_[i + 1].path());
  }
  for (const std::string& key : keys) warn_of_readers("--key", key);
  in_use_ = std::move(now);
}

Result<> Certificates::read() {
  for (files::WatchedFile& file : files_) file.note();
  std::map<std::string, std::vector<tls::KeyPair>> pairs;
  std::vector<Chain> chains;
  const auto take = [&](Result<tls::KeyPair> pair, const std::string& listener, std::string label,
                        std::string place) -> Result<> {
    if (!pair) return std::unexpected(std::move(pair.error()));
    auto validity = tls::validity_of(pair->certificate_pem);
    if (!validity) return std::unexpected(std::move(validity.error()));
    chains.push_back({std::move(label), std::move(place), std::move(*validity)});
    pairs[listener].push_back(std::move(*pair));
    return {};
  };
  if (is_self_signed()) {
    if (auto done = check_output(flags_.write_certificate); !done) return done;
    auto pair = tls::make_self_signed(flags_.self_signed);
    if (pair) self_signed_ = pair->certificate_pem;
    if (auto done = take(std::move(pair), {}, "self-signed", "made for --self-signed"); !done) return done;
  }
  for (const config::CertificateFiles& files : flags_.certificates)
    if (auto done = take(tls::load_key_pair(files.certificate, files.key), files.listener,
                         escaped(files.certificate), "in " + files.certificate);
        !done)
      return std::unexpected(
          Error{done.error().kind, "--cert and --key: " + done.error().message, done.error().code});

  ByListener credentials;
  for (auto& [listener, own] : pairs) {
    // A listener with certificates of its own shows those that are for all after them.
    std::vector<tls::KeyPair> all = own;
    if (!listener.empty() && pairs.contains("")) all.insert(all.end(), pairs[""].begin(), pairs[""].end());
    auto made = tls::ServerCredentials::make(all);
    if (!made) return std::unexpected(std::move(made.error()));
    credentials.emplace(listener, std::move(*made));
  }
  credentials_ = std::move(credentials);
  chains_ = std::move(chains);
  return {};
}

Result<> Certificates::hand_out() const {
  if (!is_self_signed()) return {};
  const auto fingerprint = tls::spki_fingerprint(self_signed_);
  if (!fingerprint) return std::unexpected(fingerprint.error());
  const std::string& file = flags_.write_certificate;
  if (!file.empty())
    if (auto written = write_file(file, self_signed_, 0644, IfExists::replace); !written)
      return of_flag("--write-cert", written.error());
  log_info("self-signed certificate for {}, SPKI fingerprint {}; clients trust it with {}",
           fmt::join(flags_.self_signed, ", "), *fingerprint,
           file.empty() ? std::string("-k, or with --ca and a file from --write-cert") : "--ca " + file);
  return {};
}

bool Certificates::has_changed() {
  bool changed = false;
  for (files::WatchedFile& file : files_) changed = file.has_changed() || changed;
  return changed;
}

void Certificates::warn_of_dates() const {
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  for (const Chain& chain : chains_)
    if (const auto concern = tls::concern_about(chain.validity, chain.place, now))
      log_warn("{}; {}", *concern,
               is_self_signed() ? "start the gateway again for another one"
                                : "put a new one there, with its key; it is taken up by itself");
}

void Certificates::collect(admin::MetricSet& out) const {
  for (const Chain& chain : chains_)
    out.gauge("certificate_not_after_seconds",
              "When the first certificate of the chain expires, in seconds since 1970.",
              static_cast<double>(tls::end_of(chain.validity).time_since_epoch().count()),
              {{"certificate", std::string_view(chain.label)}});
}

}  // namespace sallyport::gateway
