#include "masque/token_table.h"

#include "masque/token_lines.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <utility>

#include <fmt/format.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

namespace sallyport::masque {
namespace {

using Key = std::array<std::uint8_t, 32>;

const Key& process_key() {
  static const Key key = [] {
    Key made{};
    // Without a random source nothing that follows could be safe.
    if (gnutls_rnd(GNUTLS_RND_KEY, made.data(), made.size()) < 0) std::abort();
    return made;
  }();
  return key;
}

}  // namespace

CredentialId TokenTable::credential_of(std::string_view token) {
  CredentialId id{};
  const Key& key = process_key();
  if (gnutls_hmac_fast(GNUTLS_MAC_SHA256, key.data(), key.size(), token.data(), token.size(), id.data()) < 0)
    std::abort();
  return id;
}

Result<std::shared_ptr<const TokenTable>> TokenTable::parse(std::string_view content,
                                                            const std::string& file) {
  std::shared_ptr<TokenTable> table(new TokenTable);
  std::map<CredentialId, std::size_t> lines;
  TokenLines reader(content, file, false);
  for (;;) {
    const auto line = reader.next();
    if (!line) return std::unexpected(line.error());
    if (!*line) break;
    const auto& [number, name, token] = **line;
    const CredentialId id = credential_of(token);
    if (const auto [at, added] = lines.emplace(id, number); !added)
      return fail(ErrorKind::file,
                  fmt::format("line {} of {} has the token of line {}; each needs one of its own", number,
                              file, at->second));
    if (token.size() < short_token) table->weak_lines_.push_back(number);
    table->entries_.push_back({std::string(name), id});
    table->names_.emplace_back(name);
  }
  std::ranges::sort(table->entries_, {}, &Identity::credential);
  std::ranges::sort(table->names_);
  const auto doubles = std::ranges::unique(table->names_);
  table->names_.erase(doubles.begin(), doubles.end());
  return std::shared_ptr<const TokenTable>(std::move(table));
}

// The search compares as many bytes as agree, and so its time tells something of the digests, but these are
// keyed with what nobody outside knows: who sends a token can foresee as little of its digest as of a random
// number, so it tells nothing of tokens. The last comparison is of all bytes in any case.
const Identity* TokenTable::find(const CredentialId& credential) const {
  const auto at = std::ranges::lower_bound(entries_, credential, {}, &Identity::credential);
  if (at == entries_.end() || gnutls_memcmp(at->credential.data(), credential.data(), credential.size()) != 0)
    return nullptr;
  return &*at;
}

bool TokenTable::has_name(std::string_view name) const {
  return std::ranges::binary_search(names_, name);
}

}  // namespace sallyport::masque
