// TokenTable: the bearer tokens that are good, and whose they are, as a token file has them: one NAME TOKEN a
// line. Immutable; whoever reads the file again makes another one and hands it round. Of tokens only keyed
// digests are kept.
#pragma once

#include "base/result.h"
#include "masque/identity.h"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::masque {

class TokenTable {
 public:
  static constexpr std::size_t short_token = 16;  ///< fewer characters can be guessed

  /// From the content of `file`, as TokenLines reads it. A name may have several tokens, so that an old one
  /// can be replaced without a gap; a token has one name. One without any lets nobody in. Errors of kind file
  /// say file and line, and nothing of what stands in it.
  static Result<std::shared_ptr<const TokenTable>> parse(std::string_view content, const std::string& file);

  /// Whose the token with this credential_of() is; null: nobody's. How long it takes says nothing of the
  /// tokens that are good.
  const Identity* find(const CredentialId& credential) const;
  bool has_name(std::string_view name) const;
  /// The same tokens for the same names.
  bool same_as(const TokenTable& other) const { return entries_ == other.entries_; }
  std::size_t size() const { return entries_.size(); }
  /// Lines whose token is shorter than short_token.
  const std::vector<std::size_t>& weak_lines() const { return weak_lines_; }

  /// What find() goes by. The same token has another one in every process.
  static CredentialId credential_of(std::string_view token);

 private:
  TokenTable() = default;

  std::vector<Identity> entries_;   // by credential
  std::vector<std::string> names_;  // sorted
  std::vector<std::size_t> weak_lines_;
};

}  // namespace sallyport::masque
