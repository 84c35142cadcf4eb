// H2LongStrings: lets field sections pass whose values are longer than nghttp2 reads. It takes 64 KiB of one,
// as encoded, and ends the connection with COMPRESSION_ERROR where there is more; a server is to answer 431
// instead (RFC 6585 §5, RFC 9113 §10.5.1). Used by H2Connection, in front of nghttp2.
#pragma once

#include "base/bytes.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace sallyport::http {

/// In what nghttp2 is handed, such a value (RFC 7541 §5.2) is cut into several: between two pieces stand the
/// heads of a field "x", in place of seven octets of the value. So all lengths stay as they are, the section
/// is too large as before, and the table is emptied as before by what is larger than itself (RFC 7541 §4.4).
/// Names are left alone.
class H2LongStrings {
 public:
  /// The longest value, as encoded, that nghttp2 takes, and that is cut here; what is longer is nghttp2's to
  /// refuse.
  static constexpr std::size_t longest_taken = 65'536;
  static constexpr std::size_t longest_cut = 7 * longest_taken;

  /// `of_client`: whose frames they are. A client's begin with its preface (RFC 9113 §3.4).
  explicit H2LongStrings(bool of_client) : skip_(of_client ? 24 : 0) {}

  /// What nghttp2 is to read now that `bytes` came: these themselves in nearly all cases. Valid until the
  /// next call. A length that is not all there is held back until it is.
  Bytes feed(Bytes bytes);

 private:
  enum class Step : std::uint8_t {
    opcode,  ///< a field's first octet (RFC 7541 §6)
    index,   ///< what follows of an integer that means nothing here
    name_length,
    name_length_rest,
    name,
    value_length,
    value_length_rest,
    value
  };

  void take_head();
  void end_fragment();
  void end_section();
  void read_fragment(std::size_t at, std::size_t end);
  std::size_t skip_string(std::size_t at, std::size_t end);
  void take_opcode(std::uint8_t octet);
  void take_length(std::uint8_t octet, std::size_t at, bool of_value);
  void take_length_rest(std::uint8_t octet, std::size_t at, bool of_value);
  void begin_string(bool of_value);
  void cut();
  std::uint8_t cut_octet(std::size_t offset, std::uint8_t original) const;
  std::uint8_t* changed();

  std::vector<std::uint8_t> copy_;  // of what this call hands on, once something in it is changed
  std::vector<std::uint8_t> held_;  // from the first octet of a length that has yet to end
  Bytes in_;                        // what this call looks at

  // Of the frames
  std::size_t skip_;                     // octets that mean nothing here
  std::array<std::uint8_t, 10> head_{};  // a frame's head, and its pad length
  std::size_t head_size_ = 0, head_needed_ = 9;
  std::size_t fragment_left_ = 0;
  std::size_t behind_fragment_ = 0;  // padding
  bool in_section_ = false;

  // Of the section
  Step step_ = Step::opcode;
  Step after_index_ = Step::opcode;
  bool huffman_ = false;
  std::uint64_t length_ = 0;
  std::array<std::size_t, 4> length_octets_{};  // where in in_ they are
  std::size_t length_size_ = 0;                 // how many, with those that do not fit there
  std::size_t string_left_ = 0;
  std::size_t string_size_ = 0;  // of the value that is being cut; 0: of none
  std::size_t pieces_ = 0, piece_ = 0, last_piece_ = 0;
};

}  // namespace sallyport::http
