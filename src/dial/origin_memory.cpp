#include "dial/origin_memory.h"

#include "base/file.h"
#include "http/alt_svc.h"

#include <algorithm>
#include <chrono>

#include <boost/json.hpp>
#include <fmt/format.h>

namespace sallyport::dial {
namespace json = boost::json;

namespace {
constexpr std::size_t largest_file = 16 * 1024 * 1024;
}

std::optional<bool> OriginMemory::http3(const std::string& origin, Seconds now) const {
  const auto found = entries_.find(origin);
  if (found == entries_.end() || found->second.until <= now) return std::nullopt;
  return found->second.works;
}

void OriginMemory::note(const std::string& origin, bool works, Seconds now) {
  std::erase_if(entries_, [now](const auto& entry) { return entry.second.until <= now; });
  entries_[origin] = {works, now + (works ? works_for : broken_for)};
}

void OriginMemory::note_alt_svc(const std::string& origin, std::uint16_t port, std::string_view value,
                                Seconds now) {
  const auto said = http::parse_alt_svc(value);
  if (!said) return;
  if (said->clear) {
    entries_.erase(origin);
    return;
  }
  if (http3(origin, now) == false) return;
  for (const http::AltService& service : said->services) {
    if (service.protocol != "h3" || !service.host.empty() || service.port != port) continue;
    const Seconds age = std::chrono::duration_cast<std::chrono::seconds>(service.max_age).count();
    entries_[origin] = {true, now + std::min(age, works_for)};
    return;
  }
}

Result<> OriginMemory::load(const std::string& path) {
  if (!file_exists(path)) return {};
  const auto text = read_file(path, largest_file);
  if (!text) return std::unexpected(text.error());
  boost::system::error_code wrong;
  const json::value value = json::parse(*text, wrong);
  if (wrong || !value.is_object())
    return fail(ErrorKind::file, fmt::format("'{}' is not a memory of origins; remove it", path));
  for (const auto& [origin, entry] : value.as_object()) {
    const json::object* object = entry.if_object();
    if (!object) continue;
    const json::value* works = object->if_contains("http3");
    const json::value* until = object->if_contains("until");
    if (works && works->is_bool() && until && until->is_int64())
      entries_[std::string(origin)] = {works->get_bool(), until->get_int64()};
  }
  return {};
}

Result<> OriginMemory::save(const std::string& path) const {
  json::object object;
  for (const auto& [origin, entry] : entries_)
    object[origin] = json::object{{"http3", entry.works}, {"until", entry.until}};
  return write_file(path, json::serialize(object) + '\n', 0600, IfExists::replace);
}

}  // namespace sallyport::dial
