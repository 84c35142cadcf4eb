// Fields: a field section (RFC 9110 §5), header or trailer, in order. Names are lower case; values carry no
// leading or trailing white space. All text lies in one buffer, so a section costs two allocations however
// many fields it has.
#pragma once

#include "base/credential_fields.h"

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::http {

using sallyport::holds_credentials;

class Fields {
 public:
  struct Field {
    std::string_view name;
    std::string_view value;
  };

  Fields() = default;
  Fields(std::initializer_list<Field> fields);

  /// Appends; `name` is lowered here. Views given out earlier become invalid.
  void add(std::string_view name, std::string_view value);
  /// Removes all of this name, then adds it.
  void set(std::string_view name, std::string_view value);
  std::size_t remove(std::string_view name);
  /// The first value of `name` (lower case).
  std::optional<std::string_view> find(std::string_view name) const;
  /// All values of `name` joined with ", " (RFC 9110 §5.3); nullopt when there is none.
  std::optional<std::string> joined(std::string_view name) const;
  bool contains(std::string_view name) const { return find(name).has_value(); }
  std::size_t count(std::string_view name) const;

  std::size_t size() const { return spans_.size(); }
  bool empty() const { return spans_.empty(); }
  Field operator[](std::size_t index) const;
  /// Keeps the memory.
  void clear();
  /// Empty, without the memory.
  void release();
  /// Bytes that are allocated for it.
  std::size_t memory() const { return text_.capacity() + spans_.capacity() * sizeof(Span); }
  /// Sum of name, value and 32 a field: how RFC 9113 §10.5.1 and RFC 9114 §4.2.2 measure a section.
  std::size_t section_size() const { return text_.size() + 32 * spans_.size(); }

  /// All of them were found fit to be sent (validation.h) since the last change: those of a head that is sent
  /// again and again need not be looked at each time.
  bool known_sendable() const { return known_sendable_; }
  void note_sendable() const { known_sendable_ = true; }

  class Iterator {
   public:
    Iterator(const Fields* fields, std::size_t index) : fields_(fields), index_(index) {}
    Field operator*() const { return (*fields_)[index_]; }
    Iterator& operator++() {
      ++index_;
      return *this;
    }
    bool operator==(const Iterator&) const = default;

   private:
    const Fields* fields_;
    std::size_t index_;
  };
  Iterator begin() const { return {this, 0}; }
  Iterator end() const { return {this, size()}; }

 private:
  struct Span {
    std::uint32_t offset, name_size, value_size;
  };
  std::string text_;
  std::vector<Span> spans_;
  mutable bool known_sendable_ = false;
};

}  // namespace sallyport::http
