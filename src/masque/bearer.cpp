#include "masque/bearer.h"

#include "http/validation.h"

#include <algorithm>

namespace sallyport::masque {
namespace {

bool is_token_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("-._~+/").find(c) != std::string_view::npos;
}

BearerOffer offered_in(const http::Fields& fields, std::string_view name) {
  const auto value = fields.find(name);
  if (!value) return {};
  const std::string_view scheme = value->substr(0, value->find(' '));
  if (!http::equal_ignoring_case(scheme, "bearer")) return {};
  std::string_view token = value->substr(scheme.size());
  token.remove_prefix(std::min(token.find_first_not_of(' '), token.size()));
  if (fields.count(name) != 1 || !is_bearer_token(token)) return {BearerOffer::Kind::malformed, {}};
  return {BearerOffer::Kind::token, token};
}

}  // namespace

bool is_bearer_token(std::string_view text) {
  if (text.size() > max_bearer_token) return false;
  while (text.ends_with('=')) text.remove_suffix(1);
  return !text.empty() && std::ranges::all_of(text, is_token_character);
}

BearerOffer offered_bearer(const http::Fields& fields, bool proxy_field_first) {
  const BearerOffer first = offered_in(fields, proxy_field_first ? "proxy-authorization" : "authorization");
  if (first.kind != BearerOffer::Kind::none) return first;
  return offered_in(fields, proxy_field_first ? "authorization" : "proxy-authorization");
}

}  // namespace sallyport::masque
