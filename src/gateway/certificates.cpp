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

constexpr std::string_view self_signed_label = "self-signed";

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
  if (!flags_.backend_certificate.empty()) {
    files_.emplace_back(flags_.backend_certificate);
    files_.emplace_back(flags_.backend_key);
  }
  pair_files_ = files_.size();
  for (const config::ClientCaFile& authorities : flags_.client_ca) files_.emplace_back(authorities.file);
  for (const std::string& authorities : flags_.backend_ca) files_.emplace_back(authorities);
}

Result<> Certificates::load() {
  if (!has_files() && !credentials_.empty()) return {};
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
  for (std::size_t i = 0; i < now.size();) {
    const std::size_t count = i < pair_files_ ? 2 : 1;
    const bool same = !in_use_.empty() && std::equal(&now[i], &now[i] + count, &in_use_[i]);
    // For a name with several addresses, each of its listeners has the same files.
    if (!same && std::ranges::find(changed_, files_[i].path()) == changed_.end())
      changed_.push_back(files_[i].path());
    if (!same && count == 2) keys.insert(files_[i + 1].path());
    i += count;
  }
  for (const std::string& key : keys)
    warn_of_readers(key == flags_.backend_key ? "--backend-key" : "--key", key);
  in_use_ = std::move(now);
}

Result<> Certificates::read_pairs(Pairs& pairs, std::vector<Chain>& chains) {
  const auto take = [&](Result<tls::KeyPair> pair, const std::string& listener, std::string label,
                        std::string place) -> Result<> {
    if (!pair) return std::unexpected(std::move(pair.error()));
    auto validity = tls::validity_of(pair->certificate_pem);
    if (!validity) return std::unexpected(std::move(validity.error()));
    chains.push_back({std::move(label), std::move(place), "clients", std::move(*validity)});
    pairs[listener].push_back(std::move(*pair));
    return {};
  };
  if (is_self_signed()) {
    if (self_signed_.certificate_pem.empty()) {
      if (auto done = check_output(flags_.write_certificate); !done) return done;
      auto made = tls::make_self_signed(flags_.self_signed);
      if (!made) return std::unexpected(std::move(made.error()));
      self_signed_ = std::move(*made);
    }
    if (auto done = take(self_signed_, {}, std::string(self_signed_label), "made for --self-signed"); !done)
      return done;
  }
  for (const config::CertificateFiles& files : flags_.certificates)
    if (auto done = take(tls::load_key_pair(files.certificate, files.key), files.listener,
                         escaped(files.certificate), "in " + files.certificate);
        !done)
      return of_flag("--cert and --key", done.error());
  return {};
}

Result<std::shared_ptr<const tls::OfferedCertificate>> Certificates::read_for_backends(
    std::vector<Chain>& chains) const {
  constexpr std::string_view flags = "--backend-cert and --backend-key";
  const std::string& file = flags_.backend_certificate;
  if (file.empty()) return nullptr;
  const auto pair = tls::load_key_pair(file, flags_.backend_key);
  if (!pair) return of_flag(flags, pair.error());
  auto validity = tls::validity_of(pair->certificate_pem);
  if (!validity) return of_flag(flags, validity.error());
  auto made = tls::OfferedCertificate::make(*pair);
  if (!made) return of_flag(flags, made.error());
  chains.push_back({escaped(file), "in " + file, "backends", std::move(*validity)});
  if (for_backends_ && (*made)->same_as(*for_backends_)) return for_backends_;
  return *std::move(made);
}

Result<Certificates::Authorities> Certificates::read_authorities() const {
  constexpr std::size_t largest = 1024 * 1024;
  Authorities authorities;
  for (const auto& [file, listener] : flags_.client_ca) {
    auto pem = read_file(file, largest);
    if (!pem) return of_flag("--client-ca", pem.error());
    tls::ClientVerification& clients = authorities[listener];
    clients.required = flags_.client_certificate_required;
    clients.authorities.push_back({file, std::move(*pem)});
  }
  return authorities;
}

Result<std::shared_ptr<const tls::Trust>> Certificates::read_backend_trust() const {
  if (!config::verifies_backends(flags_)) return nullptr;
  bool same = backend_trust_ != nullptr;
  for (std::size_t i = files_.size() - flags_.backend_ca.size(); i < files_.size() && same; ++i)
    same = files_[i].noted() == in_use_[i];
  if (same) return backend_trust_;
  auto made = tls::Trust::make({.ca_files = flags_.backend_ca});
  if (!made) return of_flag("--backend-ca", made.error());
  return std::move(*made);
}

Result<> Certificates::read() {
  for (files::WatchedFile& file : files_) file.note();
  Pairs pairs;
  std::vector<Chain> chains;
  if (auto done = read_pairs(pairs, chains); !done) return done;
  const auto authorities = read_authorities();
  if (!authorities) return std::unexpected(authorities.error());
  auto for_backends = read_for_backends(chains);
  if (!for_backends) return std::unexpected(std::move(for_backends.error()));
  auto backend_trust = read_backend_trust();
  if (!backend_trust) return std::unexpected(std::move(backend_trust.error()));

  std::set<std::string> listeners;
  for (const auto& [listener, own] : pairs) listeners.insert(listener);
  for (const auto& [listener, own] : *authorities) listeners.insert(listener);
  ByListener credentials;
  for (const std::string& listener : listeners) {
    // A listener with certificates of its own shows those that are for all after them. With authorities of
    // its own it takes no others.
    std::vector<tls::KeyPair> all = pairs[listener];
    if (!listener.empty()) all.insert(all.end(), pairs[""].begin(), pairs[""].end());
    if (all.empty()) continue;
    auto clients = authorities->find(listener);
    if (clients == authorities->end()) clients = authorities->find("");
    auto made = tls::ServerCredentials::make(
        all, clients != authorities->end() ? clients->second : tls::ClientVerification{});
    if (!made) return std::unexpected(std::move(made.error()));
    credentials.emplace(listener, std::move(*made));
  }
  credentials_ = std::move(credentials);
  for_backends_ = std::move(*for_backends);
  backend_trust_ = std::move(*backend_trust);
  chains_ = std::move(chains);
  return {};
}

Result<> Certificates::hand_out() const {
  if (!is_self_signed()) return {};
  const auto fingerprint = tls::spki_fingerprint(self_signed_.certificate_pem);
  if (!fingerprint) return std::unexpected(fingerprint.error());
  const std::string& file = flags_.write_certificate;
  if (!file.empty())
    if (auto written = write_file(file, self_signed_.certificate_pem, 0644, IfExists::replace); !written)
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
    if (const auto concern = tls::concern_about(chain.validity, chain.place, now, chain.by))
      log_warn("{}; {}", *concern,
               is_self_signed() && chain.label == self_signed_label
                   ? "start the gateway again for another one"
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
