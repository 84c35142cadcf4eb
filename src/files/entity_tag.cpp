#include "files/entity_tag.h"

#include "base/hex.h"

#include <array>
#include <cstdlib>

#include <fmt/format.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

namespace sallyport::files {
namespace {

std::string to_text(const FileTime& time) {
  return fmt::format("{:x}.{:x}", static_cast<std::uint64_t>(time.seconds), time.nanoseconds);
}

}  // namespace

std::string content_etag(Bytes content) {
  std::array<std::uint8_t, 32> digest{};
  if (gnutls_hash_fast(GNUTLS_DIG_SHA256, content.data(), content.size(), digest.data()) < 0) std::abort();
  // Half of the hash is enough: collisions matter only to the author of both files, who could as well change
  // one file.
  return "\"" + to_hex(Bytes(digest).first(16)) + "\"";
}

std::string state_etag(const FileIdentity& identity, EtagParts parts) {
  auto tag = fmt::format("\"{:x}-{}", identity.size, to_text(identity.modified));
  if (parts == EtagParts::size_mtime_ctime) tag += "-" + to_text(identity.changed);
  return tag + "\"";
}

}  // namespace sallyport::files
