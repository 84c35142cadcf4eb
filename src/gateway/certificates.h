// Certificates: the certificates of a gateway, for clients and for backends, and those of its clients' and
// backends' authorities: read from the files named by the flags, or self-signed at the start; read again when
// the files change or on SIGHUP. Their expiry is reported by a warning and by a metric. Owned by the
// ConfigurationSource, on the Gateway's thread.
#pragma once

#include "admin/metric_set.h"
#include "config/serving_flags.h"
#include "files/watched_file.h"
#include "tls/certificate.h"
#include "tls/credentials.h"
#include "tls/validity.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace sallyport::gateway {

class Certificates {
 public:
  /// By listener ID, as in config::Material.
  using ByListener = std::map<std::string, std::shared_ptr<const tls::ServerCredentials>>;

  explicit Certificates(config::ServingFlags flags);

  /// Reads the files, or, the first time, makes a self-signed certificate. On an error, which names the file
  /// and the fault, the previous certificates stay in use.
  Result<> load();
  /// The certificates and authorities that load() read when it last succeeded, of those that changed, or
  /// whose keys did, since it succeeded before; all when it did the first time. Each path once.
  const std::vector<std::string>& changed() const { return changed_; }
  /// Of a self-signed certificate, which load() made: writes the file for clients (--write-cert) and logs the
  /// fingerprint. To be called once clients can connect: an earlier gateway's file stays until then.
  Result<> hand_out() const;
  /// Whether a file changed since load(), as files::WatchedFile sees it. To be called every second or so.
  bool has_changed();
  /// Logs a warning if a certificate has expired, is not valid yet or expires soon.
  void warn_of_dates() const;
  /// Of the certificates loaded last; empty before.
  const ByListener& credentials() const { return credentials_; }
  /// Of --backend-cert, likewise; null: none. The same one as long as the files have the same content.
  const std::shared_ptr<const tls::OfferedCertificate>& for_backends() const { return for_backends_; }
  /// Of --backend-ca, or of the system; likewise. Null: no backend is verified.
  const std::shared_ptr<const tls::Trust>& backend_trust() const { return backend_trust_; }
  bool is_self_signed() const { return !flags_.self_signed.empty(); }
  bool has_files() const { return !files_.empty(); }
  void collect(admin::MetricSet& out) const;

 private:
  struct Chain {
    std::string label;    ///< for metrics
    std::string place;    ///< for a sentence
    std::string_view by;  ///< who verifies it: "clients"
    std::vector<tls::Validity> validity;
  };

  const config::ServingFlags flags_;
  /// All of these are by listener ID, as ByListener.
  using Pairs = std::map<std::string, std::vector<tls::KeyPair>>;
  using Authorities = std::map<std::string, tls::ClientVerification>;
  Result<> read();
  Result<> read_pairs(Pairs& pairs, std::vector<Chain>& chains);
  Result<Authorities> read_authorities() const;
  /// Null: no --backend-cert.
  Result<std::shared_ptr<const tls::OfferedCertificate>> read_for_backends(std::vector<Chain>& chains) const;
  /// Null: no backend is verified.
  Result<std::shared_ptr<const tls::Trust>> read_backend_trust() const;
  /// After a successful read(). Warns of new keys that every user may read.
  void note_changes();

  tls::KeyPair self_signed_;  // empty: none was made
  // A certificate, its key, the next one ..., the authorities of clients, those of backends.
  std::vector<files::WatchedFile> files_;
  std::size_t pair_files_ = 0;               // how many of them, from the first on, are pairs
  std::vector<files::FileIdentity> in_use_;  // the states of `files_` that credentials_ were read from
  std::vector<std::string> changed_;
  ByListener credentials_;
  std::shared_ptr<const tls::OfferedCertificate> for_backends_;
  std::shared_ptr<const tls::Trust> backend_trust_;
  std::vector<Chain> chains_;
};

}  // namespace sallyport::gateway
