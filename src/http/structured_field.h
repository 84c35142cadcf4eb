// Structured Field Values (RFC 9651, before it RFC 8941): reads the Lists and Dictionaries of fields such as
// Priority and Proxy-Status in place, without an allocation. All types of RFC 8941 are read; Date and Display
// String, which RFC 9651 added and no field here uses, count as malformed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sallyport::http {

/// A member of a List or Dictionary, or the value of a parameter. Views into the field's value. As it is made
/// it is the Boolean that a member without a value stands for (RFC 9651 §3.1.2, §3.2).
struct StructuredItem {
  enum class Kind : std::uint8_t {
    integer,
    decimal,
    string,
    token,
    byte_sequence,
    boolean,
    inner_list
  } kind = Kind::boolean;
  std::int64_t number = 1;  ///< an Integer; of a Decimal the thousandths; of a Boolean 1 or 0; else 0
  /// As it stands in the field: a String with its quotes, an Inner List with its brackets.
  std::string_view written = "?1";
  std::string_view parameters;  ///< for StructuredParameters

  /// The characters of a String; everything else as it is written.
  std::string text() const;
};

/// Reads a field whose type is List or Dictionary, member for member. What is wrong shows only where it
/// stands, and voids the whole field (RFC 9651 §4.2): ask malformed() once there is no next member.
class StructuredField {
 public:
  explicit StructuredField(std::string_view value) : rest_(value) {}

  /// The next member of a List; false at its end, and where it is malformed.
  bool next(StructuredItem& member);
  /// The next member of a Dictionary. Of two with the same key the last one counts.
  bool next(std::string_view& key, StructuredItem& member);
  bool malformed() const { return malformed_; }

 private:
  bool at_member();
  bool checked(bool well_formed);

  std::string_view rest_;
  bool first_ = true, malformed_ = false;
};

/// Goes through the parameters of an item, which were found well-formed with it. Of two with the same key the
/// last one counts.
class StructuredParameters {
 public:
  explicit StructuredParameters(const StructuredItem& item) : rest_(item.parameters) {}
  bool next(std::string_view& key, StructuredItem& value);

 private:
  std::string_view rest_;
};

/// Whether `text` may be written as a Token (RFC 9651 §3.3.4).
bool is_structured_token(std::string_view text);
/// Appends `text` as a String (§3.3.3). What a String cannot hold becomes '?'.
void append_structured_string(std::string& out, std::string_view text);

}  // namespace sallyport::http
