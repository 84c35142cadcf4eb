#include "tls/session_cache.h"

#include "base/file.h"
#include "tls/gnutls_handles.h"

#include <algorithm>
#include <array>
#include <string_view>

#include <gnutls/gnutls.h>

namespace sallyport::tls {
namespace {

// One line for each origin, with five fields separated by spaces: the origin, then ticket, transport
// parameters, HTTP settings and token in base64, "-" for a missing one.
constexpr std::string_view heading = "sallyport sessions 1";
constexpr std::size_t largest_file = 16 * 1024 * 1024;
constexpr std::size_t fields = 5;

std::string encode(const std::vector<std::uint8_t>& bytes) {
  if (bytes.empty()) return "-";
  const gnutls_datum_t raw = datum_of(Bytes(bytes));
  Datum text;
  if (gnutls_base64_encode2(&raw, &text.value) < 0) return "-";
  return std::string(text.text());
}

std::optional<std::vector<std::uint8_t>> decode(std::string_view text) {
  if (text == "-") return std::vector<std::uint8_t>{};
  const gnutls_datum_t encoded = datum_of(text);
  Datum raw;
  if (text.empty() || gnutls_base64_decode2(&encoded, &raw.value) < 0) return std::nullopt;
  return std::vector<std::uint8_t>(raw.bytes().begin(), raw.bytes().end());
}

std::string_view take_until(std::string_view& rest, char end) {
  const std::size_t at = rest.find(end);
  const std::string_view piece = rest.substr(0, at);
  rest.remove_prefix(at == std::string_view::npos ? rest.size() : at + 1);
  return piece;
}

}  // namespace

SessionCache::Slot& SessionCache::slot(const std::string& origin) {
  const auto found = std::ranges::find(slots_, origin, &Named::first);
  if (found != slots_.end()) {
    std::rotate(found, found + 1, slots_.end());
  } else {
    if (slots_.size() >= capacity) slots_.erase(slots_.begin());
    slots_.emplace_back(origin, Slot{});
  }
  return slots_.back().second;
}

void SessionCache::store(const std::string& origin, Entry entry) {
  slot(origin).entry = std::move(entry);
}

std::optional<SessionCache::Entry> SessionCache::find(const std::string& origin) const {
  const auto found = std::ranges::find(slots_, origin, &Named::first);
  if (found == slots_.end() || found->second.entry.ticket.empty()) return std::nullopt;
  return found->second.entry;
}

void SessionCache::store_token(const std::string& origin, std::vector<std::uint8_t> token) {
  slot(origin).token = std::move(token);
}

std::vector<std::uint8_t> SessionCache::take_token(const std::string& origin) {
  const auto found = std::ranges::find(slots_, origin, &Named::first);
  if (found == slots_.end()) return {};
  return std::exchange(found->second.token, {});
}

Result<> SessionCache::load(const std::string& path) {
  if (!file_exists(path)) return {};
  const auto content = read_file(path, largest_file);
  if (!content) return std::unexpected(content.error());
  std::string_view rest = *content;
  if (take_until(rest, '\n') != heading) {
    return fail(ErrorKind::file,
                path + " is not a session cache of this program; remove it or name another file");
  }
  for (std::size_t line_number = 2; !rest.empty(); ++line_number) {
    std::string_view line = take_until(rest, '\n');
    const std::string origin(take_until(line, ' '));
    std::array<std::optional<std::vector<std::uint8_t>>, fields - 1> parts;
    for (auto& part : parts) part = decode(take_until(line, ' '));
    const bool whole = !origin.empty() && line.empty() &&
                       std::ranges::all_of(parts, [](const auto& part) { return part.has_value(); });
    if (!whole) {
      return fail(ErrorKind::file, path + " is damaged in line " + std::to_string(line_number) +
                                       "; remove it to start afresh");
    }
    Slot& place = slot(origin);
    place.entry = Entry{std::move(*parts[0]), std::move(*parts[1]), std::move(*parts[2])};
    place.token = std::move(*parts[3]);
  }
  return {};
}

Result<> SessionCache::save(const std::string& path) const {
  std::string content(heading);
  content += '\n';
  for (const auto& [origin, slot] : slots_) {
    const Entry& entry = slot.entry;
    content += origin;
    for (const auto* part : {&entry.ticket, &entry.transport_parameters, &entry.http_settings, &slot.token}) {
      content += ' ' + encode(*part);
    }
    content += '\n';
  }
  return write_file(path, content, 0600, IfExists::replace);
}

}  // namespace sallyport::tls
