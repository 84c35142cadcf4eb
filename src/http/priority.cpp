#include "http/priority.h"

#include "http/structured_field.h"

#include <cstdint>

namespace sallyport::http {
namespace {

void apply(std::string_view key, const StructuredItem& member, Priority& priority) {
  if (key == "u") {
    const bool fits =
        member.kind == StructuredItem::Kind::integer && member.number >= 0 && member.number <= 7;
    priority.urgency = fits ? static_cast<std::uint8_t>(member.number) : Priority{}.urgency;
  } else if (key == "i") {
    priority.incremental = member.kind == StructuredItem::Kind::boolean && member.number != 0;
  }
}

}  // namespace

std::optional<Priority> parse_priority(std::string_view value) {
  Priority priority;
  StructuredField field(value);
  std::string_view key;
  StructuredItem member;
  while (field.next(key, member)) apply(key, member, priority);
  if (field.malformed()) return std::nullopt;
  return priority;
}

std::string format_priority(const Priority& priority) {
  std::string text;
  if (priority.urgency != Priority{}.urgency) {
    text = "u=";
    text += static_cast<char>('0' + priority.urgency);
  }
  if (priority.incremental) text += text.empty() ? "i" : ", i";
  return text;
}

}  // namespace sallyport::http
