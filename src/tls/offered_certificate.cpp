#include "tls/credentials.h"
#include "tls/parsed_pair.h"

#include <algorithm>
#include <utility>

namespace sallyport::tls {

OfferedCertificate::OfferedCertificate(std::unique_ptr<ParsedPair> pair) : pair_(std::move(pair)) {}
OfferedCertificate::~OfferedCertificate() = default;

Result<std::shared_ptr<const OfferedCertificate>> OfferedCertificate::make(const KeyPair& pair) {
  auto parsed = ParsedPair::parse(pair);
  if (!parsed) return std::unexpected(std::move(parsed.error()));
  return std::shared_ptr<const OfferedCertificate>(new OfferedCertificate(std::move(*parsed)));
}

std::string OfferedCertificate::describe() const {
  return pair_->describe();
}

bool OfferedCertificate::same_as(const OfferedCertificate& other) const {
  const auto same = [](const gnutls_pcert_st& one, const gnutls_pcert_st& another) {
    return std::ranges::equal(Bytes(one.cert.data, one.cert.size),
                              Bytes(another.cert.data, another.cert.size));
  };
  return pair_->key_id == other.pair_->key_id && std::ranges::equal(pair_->chain, other.pair_->chain, same);
}

}  // namespace sallyport::tls
