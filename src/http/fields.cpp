#include "http/fields.h"

#include <algorithm>
#include <utility>

namespace sallyport::http {

namespace {

// What the first field makes room for, so that an ordinary section does not grow step by step.
constexpr std::size_t usual_fields = 8;
constexpr std::size_t usual_text = 224;

char lowered(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

}  // namespace

Fields::Fields(std::initializer_list<Field> fields) {
  for (const Field& field : fields) add(field.name, field.value);
}

void Fields::add(std::string_view name, std::string_view value) {
  known_sendable_ = false;
  if (spans_.capacity() == 0) {
    spans_.reserve(usual_fields);
    text_.reserve(usual_text);
  }
  const auto offset = text_.size();
  text_.resize(offset + name.size() + value.size());
  std::ranges::transform(name, text_.begin() + static_cast<std::ptrdiff_t>(offset), lowered);
  value.copy(text_.data() + offset + name.size(), value.size());
  spans_.push_back({static_cast<std::uint32_t>(offset), static_cast<std::uint32_t>(name.size()),
                    static_cast<std::uint32_t>(value.size())});
}

void Fields::set(std::string_view name, std::string_view value) {
  remove(name);
  add(name, value);
}

std::size_t Fields::remove(std::string_view name) {
  known_sendable_ = false;
  const auto is_it = [&](const Span& span) {
    return std::string_view(text_).substr(span.offset, span.name_size) == name;
  };
  const auto first = std::ranges::find_if(spans_, is_it);
  if (first == spans_.end()) return 0;
  // Closes up the text behind the first one removed, so that a section does not grow by being changed.
  const auto before = spans_.size();
  std::size_t end = first->offset;
  auto keep = first;
  for (auto span = first; span != spans_.end(); ++span) {
    if (is_it(*span)) continue;
    const std::size_t size = span->name_size + span->value_size;
    std::copy_n(text_.begin() + span->offset, size, text_.begin() + static_cast<std::ptrdiff_t>(end));
    *keep = {static_cast<std::uint32_t>(end), span->name_size, span->value_size};
    ++keep;
    end += size;
  }
  spans_.erase(keep, spans_.end());
  text_.resize(end);
  return before - spans_.size();
}

std::optional<std::string_view> Fields::find(std::string_view name) const {
  for (const Span& span : spans_) {
    if (span.name_size != name.size()) continue;
    if (std::string_view(text_).substr(span.offset, span.name_size) != name) continue;
    return std::string_view(text_).substr(span.offset + span.name_size, span.value_size);
  }
  return std::nullopt;
}

std::optional<std::string> Fields::joined(std::string_view name) const {
  std::optional<std::string> all;
  for (const Field field : *this) {
    if (field.name != name) continue;
    if (!all)
      all.emplace(field.value);
    else
      all->append(", ").append(field.value);
  }
  return all;
}

std::size_t Fields::count(std::string_view name) const {
  std::size_t count = 0;
  for (const Field field : *this) count += field.name == name ? 1 : 0;
  return count;
}

Fields::Field Fields::operator[](std::size_t index) const {
  const Span& span = spans_[index];
  const std::string_view text(text_);
  return {text.substr(span.offset, span.name_size),
          text.substr(span.offset + span.name_size, span.value_size)};
}

void Fields::clear() {
  known_sendable_ = false;
  text_.clear();
  spans_.clear();
}

void Fields::release() {
  // Not by assignment: a string that takes over a short one keeps what it had.
  Fields fresh;
  std::swap(*this, fresh);
}

}  // namespace sallyport::http
