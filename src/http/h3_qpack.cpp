#include "http/h3_qpack.h"

#include "http/h3_error.h"

#include <new>
#include <optional>

namespace sallyport::http {

namespace {

// Larger ones are given back rather than kept for the next section.
constexpr std::size_t keep_at_most = 16 * 1024;

std::string_view view(nghttp3_rcbuf* buffer) {
  const nghttp3_vec bytes = nghttp3_rcbuf_get_buf(buffer);
  return {reinterpret_cast<const char*>(bytes.base), bytes.len};
}

const std::uint8_t* octets(std::string_view text) {
  return reinterpret_cast<const std::uint8_t*>(text.data());
}

void recycle(nghttp3_buf& buffer) {
  if (static_cast<std::size_t>(buffer.end - buffer.begin) > keep_at_most) {
    nghttp3_buf_free(&buffer, nghttp3_mem_default());
    nghttp3_buf_init(&buffer);
  } else {
    nghttp3_buf_reset(&buffer);
  }
}

/// An integer of RFC 7541 §5.1, taken off `bytes`; nullopt: it is cut short, or longer than any of use.
std::optional<std::size_t> take_integer(Bytes& bytes, unsigned prefix_bits) {
  if (bytes.empty()) return std::nullopt;
  const std::size_t full = (std::size_t{1} << prefix_bits) - 1;
  std::size_t value = bytes.front() & full;
  bytes = bytes.subspan(1);
  if (value < full) return value;
  for (unsigned shift = 0; shift < 28 && !bytes.empty(); shift += 7) {
    const std::uint8_t octet = bytes.front();
    bytes = bytes.subspan(1);
    value += std::size_t{octet & 0x7fu} << shift;
    if ((octet & 0x80) == 0) return value;
  }
  return std::nullopt;
}

bool skip_string(Bytes& bytes, std::size_t size) {
  if (size > bytes.size()) return false;
  bytes = bytes.subspan(size);
  return true;
}

/// nghttp3 takes no longer name than that, as it is encoded, and a decoder that met one decodes nothing more:
/// not even what else the connection has to say.
constexpr std::size_t longest_encoded_name = 256;

/// Whether a field section (RFC 9204 §4.5) has a longer one. What is malformed is for nghttp3 to find.
bool has_long_name(Bytes section) {
  if (section.size() <= longest_encoded_name) return false;
  if (!take_integer(section, 8) || !take_integer(section, 7)) return false;
  while (!section.empty()) {
    const std::uint8_t first = section.front();
    if ((first & 0x80) != 0 || (first & 0xf0) == 0x10) {  // indexed, post-base too
      if (!take_integer(section, (first & 0x80) != 0 ? 6 : 4)) return false;
      continue;
    }
    const bool literal_name = (first & 0xe0) == 0x20;
    const auto number = take_integer(section, literal_name || (first & 0xc0) == 0 ? 3 : 4);
    if (!number) return false;
    if (literal_name && *number > longest_encoded_name) return true;
    if (literal_name && !skip_string(section, *number)) return false;
    const auto value = take_integer(section, 7);
    if (!value || !skip_string(section, *value)) return false;
  }
  return false;
}

}  // namespace

QpackEncoder& QpackEncoder::shared() {
  thread_local QpackEncoder encoder;
  return encoder;
}

QpackEncoder::QpackEncoder() {
  if (nghttp3_qpack_encoder_new(&encoder_, 0, nghttp3_mem_default()) != 0) throw std::bad_alloc();
  nghttp3_buf_init(&prefix_);
  nghttp3_buf_init(&lines_buffer_);
  nghttp3_buf_init(&instructions_);
}

QpackEncoder::~QpackEncoder() {
  nghttp3_buf_free(&prefix_, nghttp3_mem_default());
  nghttp3_buf_free(&lines_buffer_, nghttp3_mem_default());
  nghttp3_buf_free(&instructions_, nghttp3_mem_default());
  nghttp3_qpack_encoder_del(encoder_);
}

void QpackEncoder::add(std::string_view name, std::string_view value) {
  const std::uint8_t flags = holds_credentials(name) ? NGHTTP3_NV_FLAG_NEVER_INDEX : NGHTTP3_NV_FLAG_NONE;
  lines_.push_back({octets(name), octets(value), name.size(), value.size(), flags});
}

void QpackEncoder::add(const Fields& fields) {
  for_each_sendable(fields, [this](const Fields::Field& field) { add(field.name, field.value); });
}

std::size_t QpackEncoder::section_size() const {
  std::size_t size = 0;
  for (const nghttp3_nv& line : lines_) size += line.namelen + line.valuelen + 32;
  return size;
}

Bytes QpackEncoder::encoded() {
  recycle(prefix_);
  recycle(lines_buffer_);
  recycle(instructions_);
  // Any stream's ID does: without a table the encoder remembers none.
  if (nghttp3_qpack_encoder_encode(encoder_, &prefix_, &lines_buffer_, &instructions_, 0, lines_.data(),
                                   lines_.size()) != 0)
    throw std::bad_alloc();  // its only way to fail
  section_.assign(prefix_.pos, prefix_.last);
  section_.insert(section_.end(), lines_buffer_.pos, lines_buffer_.last);
  lines_.clear();
  return section_;
}

QpackDecoder::QpackDecoder() {
  if (nghttp3_qpack_decoder_new(&decoder_, qpack_table_capacity, qpack_blocked_streams,
                                nghttp3_mem_default()) != 0)
    throw std::bad_alloc();
}

QpackDecoder::~QpackDecoder() {
  nghttp3_qpack_decoder_del(decoder_);
}

Result<bool> QpackDecoder::decode(quic::StreamId id, QpackContext& context, Bytes& section,
                                  HeadBuilder& builder) {
  if (!context) {
    if (has_long_name(section)) {
      // The peer's encoder hears that the section is not read (RFC 9204 §2.2.2.2).
      builder.add_too_large();
      cancel(id);
      return true;
    }
    nghttp3_qpack_stream_context* fresh = nullptr;
    if (nghttp3_qpack_stream_context_new(&fresh, id, nghttp3_mem_default()) != 0) throw std::bad_alloc();
    context.reset(fresh);
  }
  while (true) {
    nghttp3_qpack_nv line;
    std::uint8_t flags = 0;
    const nghttp3_ssize used = nghttp3_qpack_decoder_read_request(decoder_, context.get(), &line, &flags,
                                                                  section.data(), section.size(), 1);
    if (used < 0)
      return h3_failure(H3Code::qpack_decompression_failed, "QPACK: the field section cannot be decoded");
    section = section.subspan(static_cast<std::size_t>(used));
    if ((flags & NGHTTP3_QPACK_DECODE_FLAG_BLOCKED) != 0) return false;
    if ((flags & NGHTTP3_QPACK_DECODE_FLAG_EMIT) != 0) {
      builder.add(view(line.name), view(line.value));
      nghttp3_rcbuf_decref(line.name);
      nghttp3_rcbuf_decref(line.value);
    }
    if ((flags & NGHTTP3_QPACK_DECODE_FLAG_FINAL) != 0) break;
    if (used == 0 && (flags & NGHTTP3_QPACK_DECODE_FLAG_EMIT) == 0)
      return h3_failure(H3Code::qpack_decompression_failed, "QPACK: truncated field section");
  }
  context.reset();
  return true;
}

bool QpackDecoder::is_ready(const QpackContext& context) const {
  return nghttp3_qpack_stream_context_get_ricnt(context.get()) <= nghttp3_qpack_decoder_get_icnt(decoder_);
}

Result<> QpackDecoder::read_encoder_stream(Bytes bytes) {
  table_used_ = true;
  const nghttp3_ssize used = nghttp3_qpack_decoder_read_encoder(decoder_, bytes.data(), bytes.size());
  if (used < 0)
    return h3_failure(H3Code::qpack_encoder_stream_error, "QPACK: invalid encoder stream instruction");
  return {};
}

void QpackDecoder::cancel(quic::StreamId id) {
  // Nobody needs to know where no table is (RFC 9204 §2.2.2.2). It fails only once the decoder is of no use
  // any more.
  if (table_used_) static_cast<void>(nghttp3_qpack_decoder_cancel_stream(decoder_, id));
}

std::vector<std::uint8_t> QpackDecoder::take_instructions() {
  std::vector<std::uint8_t> out(nghttp3_qpack_decoder_get_decoder_streamlen(decoder_));
  if (out.empty()) return out;
  nghttp3_buf buffer;
  nghttp3_buf_init(&buffer);
  buffer.begin = buffer.pos = buffer.last = out.data();
  buffer.end = out.data() + out.size();
  nghttp3_qpack_decoder_write_decoder(decoder_, &buffer);
  return out;
}

Result<> QpackCancellations::read(Bytes bytes) {
  for (const std::uint8_t octet : bytes) {
    if (in_number_) {
      in_number_ = (octet & 0x80) != 0;
    } else if ((octet & 0xc0) == 0x40) {
      in_number_ = (octet & 0x3f) == 0x3f;  // the prefix is full: the number goes on
    } else {
      return h3_failure(H3Code::qpack_decoder_stream_error, "QPACK: invalid decoder stream instruction");
    }
  }
  return {};
}

}  // namespace sallyport::http
