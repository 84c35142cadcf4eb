// TokenLines: reads token files, for the gateways that take tokens and the clients that send one: one NAME
// TOKEN a line; empty lines and those that begin with # are left out; lines end with LF or CR LF.
#pragma once

#include "base/result.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport::masque {

struct TokenLine {
  std::size_t number = 0;  ///< from 1
  std::string_view name;   ///< empty where there is the token alone
  std::string_view token;  ///< what may be a bearer token (RFC 6750 §2.1)
};

class TokenLines {
 public:
  static constexpr std::size_t max_file = 1024 * 1024;  ///< bytes
  static constexpr std::size_t max_line = 2048;         ///< bytes: less than max_bearer_token with a name
  static constexpr std::size_t max_name = 64;

  /// `content` of `file`, which must outlive what next() gives. With `lone_tokens` a line may have its token
  /// without a name.
  TokenLines(std::string_view content, std::string file, bool lone_tokens);

  /// nullopt at the end. Errors of kind file say file, line and mend, and nothing of what stands in it.
  Result<std::optional<TokenLine>> next();

 private:
  std::string_view rest_;
  std::string file_;
  bool lone_tokens_;
  std::size_t number_ = 0;
};

}  // namespace sallyport::masque
