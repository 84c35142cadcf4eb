#include "http/h1_parser.h"

#include "http/validation.h"

#include <algorithm>
#include <cassert>
#include <cctype>

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

namespace sallyport::http {
namespace {

namespace beast = boost::beast;
using beast::http::error;

// Chunk extensions say nothing to us, so a message gets few bytes of them (a flood of extensions is work
// without content).
constexpr std::size_t max_chunk_extensions = 16 * 1024;
// Empty lines before a request line that are skipped (RFC 9112 §2.2).
constexpr int max_empty_lines = 4;

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

std::unexpected<Error> refuse(unsigned status, std::string message) {
  return fail(status == 431 || status == 414 ? ErrorKind::too_large : ErrorKind::protocol, std::move(message),
              status);
}

/// Whether a line break lies inside a field (obs-fold, RFC 9112 §5.2): Beast joins such lines, in a buffer of
/// its own unless the first ones were empty.
bool is_folded(std::string_view name, std::string_view value, const char* input_end) {
  const char* const after_name = name.data() + name.size();
  if (std::less<>()(value.data(), after_name) || !std::less<>()(value.data(), input_end)) return true;
  return std::find(after_name, value.data(), '\r') != value.data();
}

/// "HTTP/1.1 200" and the end of its line: the space that RFC 9112 §4 wants before a reason, of which there
/// may be none, is left out by many servers.
constexpr std::size_t bare_status_line = 12;

/// Whether that may still come of a status line of which this is the beginning.
bool may_lack_space(std::string_view text) {
  constexpr std::string_view beginning = "HTTP/1.";
  return text.size() < bare_status_line + 2 && beginning.starts_with(text.substr(0, beginning.size()));
}

bool lacks_space(std::string_view text) {
  return text.starts_with("HTTP/1.") &&
         text.substr(std::min(bare_status_line, text.size())).starts_with("\r\n");
}

}  // namespace

bool has_token(std::string_view list, std::string_view token) {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    if (equal_ignoring_case(trimmed(list.substr(0, comma)), token)) return true;
    if (comma == std::string_view::npos) break;
    list.remove_prefix(comma + 1);
  }
  return false;
}

/// What both kinds of message have in common, and where Beast's callbacks leave what they found.
struct H1Parser::Impl {
  Impl(const Limits& limits_, bool takes_folds_) : limits(limits_), takes_folds(takes_folds_) {}
  virtual ~Impl() = default;
  virtual void start(bool without_body) = 0;
  virtual std::size_t put(Bytes in, beast::error_code& ec) = 0;
  virtual void put_eof(beast::error_code& ec) = 0;
  virtual bool started() const = 0;
  virtual bool head_done() const = 0;
  virtual bool done() const = 0;
  virtual Result<> check_framing() = 0;

  void reset() {
    head = H1Head{};
    trailers.clear();
    refusal.reset();
    found = Step{};
    head_bytes = 0;
    extension_bytes = 0;
    empty_lines = 0;
    in_chunks = false;
  }

  /// Remembers why and makes Beast stop.
  void stop(beast::error_code& ec, unsigned status, std::string message) {
    refusal = Error{ErrorKind::protocol, std::move(message), status};
    if (status == 431 || status == 414) refusal->kind = ErrorKind::too_large;
    ec = error::bad_field;
  }

  void add_field(std::string_view name, std::string_view value, beast::error_code& ec) {
    Fields& fields = in_head ? head.fields : trailers;
    // A client takes them, as Beast joins them: with spaces (RFC 9112 §5.2).
    if (!takes_folds && is_folded(name, value, input_end))
      return stop(ec, 400, "obsolete line folding (obs-fold)");
    if (fields.size() >= limits.max_fields) return stop(ec, 431, "too many fields");
    if (fields.section_size() + name.size() + value.size() + 32 > limits.max_section_size)
      return stop(ec, 431, "the field section is too large");
    fields.add(name, value);
  }

  void begin_chunk(std::size_t size, beast::error_code& ec) {
    in_chunks = true;
    extension_bytes += size;
    if (extension_bytes > max_chunk_extensions) stop(ec, 400, "too many chunk extensions");
  }

  const Limits limits;
  const bool takes_folds;
  H1Head head;
  Fields trailers;
  std::optional<Error> refusal;
  Step found;
  const char* input_end = nullptr;
  bool in_head = true;
  bool in_chunks = false;      // the first one has begun
  std::size_t head_bytes = 0;  // consumed so far
  std::size_t extension_bytes = 0;
  int empty_lines = 0;
};

namespace {

template <bool is_request>
class Glue final : public H1Parser::Impl {
 public:
  explicit Glue(const Limits& given) : Impl(given, !is_request) { start(false); }

  void start(bool without_body) override {
    reset();
    parser_.emplace(*this);
    parser_->body_limit(boost::none);
    // Beast's limit is of what one call sees; ours counts the whole head.
    parser_->header_limit(static_cast<std::uint32_t>(limits.max_section_size + limits.max_path + 1024));
    parser_->skip(without_body);
  }
  std::size_t put(Bytes in, beast::error_code& ec) override {
    const auto text = as_text(in);
    in_head = !parser_->is_header_done();
    if (!is_request && in_head && head_bytes == 0) {
      if (lacks_space(text)) return put_with_space(text, ec);
      if (may_lack_space(text)) {
        ec = error::need_more;
        return 0;
      }
    }
    return put_text(text, ec);
  }
  void put_eof(beast::error_code& ec) override { parser_->put_eof(ec); }
  bool started() const override { return parser_->got_some(); }
  bool head_done() const override { return parser_->is_header_done(); }
  bool done() const override { return parser_->is_done(); }

  Result<> check_framing() override;

 private:
  std::size_t put_text(std::string_view text, beast::error_code& ec) {
    input_end = text.data() + text.size();
    return parser_->put(boost::asio::const_buffer(text.data(), text.size()), ec);
  }
  /// Beast wants the space, so it gets a copy of the line that has it.
  std::size_t put_with_space(std::string_view text, beast::error_code& ec) {
    std::string line(text.substr(0, bare_status_line));
    line += " \r\n";
    const std::size_t used = put_text(line, ec);
    return used - std::min(used, std::size_t{1});
  }
  Result<> check_lengths();

  /// Hands Beast's callbacks on.
  class Parser final : public beast::http::basic_parser<is_request> {
   public:
    explicit Parser(Glue& glue) : glue_(glue) {}

   private:
    using ErrorCode = beast::error_code;
    using View = beast::string_view;
    void on_request_impl(beast::http::verb, View method, View target, int version, ErrorCode& ec) override {
      if (target.size() > glue_.limits.max_path) return glue_.stop(ec, 414, "the request target is too long");
      glue_.head.method = method;
      glue_.head.target = target;
      glue_.head.version = version == 10 ? Version::http1_0 : Version::http1_1;
    }
    void on_response_impl(int code, View, int version, ErrorCode& ec) override {
      if (code < 100) return glue_.stop(ec, 400, "invalid status code");
      glue_.head.status = static_cast<unsigned>(code);
      glue_.head.version = version == 10 ? Version::http1_0 : Version::http1_1;
    }
    void on_field_impl(beast::http::field, View name, View value, ErrorCode& ec) override {
      glue_.add_field(name, value, ec);
    }
    void on_header_impl(ErrorCode&) override { glue_.found.head = true; }
    void on_body_init_impl(const boost::optional<std::uint64_t>&, ErrorCode&) override {}
    std::size_t on_body_impl(View body, ErrorCode&) override {
      glue_.found.body = as_bytes(body);
      return body.size();
    }
    void on_chunk_header_impl(std::uint64_t, View extensions, ErrorCode& ec) override {
      glue_.begin_chunk(extensions.size(), ec);
    }
    std::size_t on_chunk_body_impl(std::uint64_t, View body, ErrorCode&) override {
      glue_.found.body = as_bytes(body);
      return body.size();
    }
    void on_finish_impl(ErrorCode&) override {}

    Glue& glue_;
  };

  std::optional<Parser> parser_;
};

/// RFC 9110 §8.6: a server takes one length. A client also takes one that is said several times, which Beast
/// made sure of, and makes one of it.
template <bool is_request>
Result<> Glue<is_request>::check_lengths() {
  const auto lengths = head.fields.joined("content-length");
  if (!lengths || parse_content_length(*lengths)) return {};
  if (is_request)
    return refuse(400, head.fields.count("content-length") > 1 ? "duplicate content-length"
                                                               : "content-length is not a number");
  const std::string_view first = trimmed(std::string_view(*lengths).substr(0, lengths->find(',')));
  const auto length = parse_content_length(first);
  if (!length) return refuse(400, "content-length is not a number");
  head.fields.set("content-length", std::to_string(*length));
  return {};
}

/// RFC 9112 §6: which framing the head asks for, and that it asks for one only. Beast alone would take
/// content-length fields that agree, and transfer codings that it does not know.
template <bool is_request>
Result<> Glue<is_request>::check_framing() {
  if (auto lengths = check_lengths(); !lengths) return lengths;
  const std::size_t codings = head.fields.count("transfer-encoding");
  if (codings > 0) {
    if (head.fields.contains("content-length"))
      return refuse(400, "both transfer-encoding and content-length");
    if (head.version == Version::http1_0) return refuse(400, "transfer-encoding in HTTP/1.0");
    const std::string coding = *head.fields.joined("transfer-encoding");
    if (!equal_ignoring_case(coding, "chunked")) {
      // One that ends in "chunked" is well formed, but its other codings are foreign to us.
      const std::size_t comma = coding.rfind(',');
      const bool ends_chunked =
          comma != std::string::npos &&
          equal_ignoring_case(trimmed(std::string_view(coding).substr(comma + 1)), "chunked") &&
          !has_token(std::string_view(coding).substr(0, comma), "chunked");
      return refuse(ends_chunked ? 501 : 400, "transfer coding other than \"chunked\"");
    }
  }
  if (parser_->is_done())
    head.framing = H1Framing::none;
  else if (parser_->chunked())
    head.framing = H1Framing::chunked;
  else
    head.framing = parser_->need_eof() ? H1Framing::until_close : H1Framing::length;

  bool close = false, keep = false;
  for (const Fields::Field field : head.fields) {
    if (field.name != "connection") continue;
    close = close || has_token(field.value, "close");
    keep = keep || has_token(field.value, "keep-alive");
    head.upgrade = head.upgrade || has_token(field.value, "upgrade");
  }
  head.keep_alive = !close && (head.version == Version::http1_1 || keep);
  return {};
}

unsigned status_for(const beast::error_code& ec) {
  if (ec == error::header_limit) return 431;
  return 400;
}

}  // namespace

H1Parser::H1Parser(Side side, const Limits& limits) {
  if (side == Side::requests)
    impl_ = std::make_unique<Glue<true>>(limits);
  else
    impl_ = std::make_unique<Glue<false>>(limits);
}

H1Parser::~H1Parser() = default;

void H1Parser::start(bool without_body) {
  impl_->start(without_body);
}

Result<H1Parser::Step> H1Parser::next(Bytes in) {
  Impl& impl = *impl_;
  assert(!impl.done());
  Step step;
  while (!impl.started() && in.size() >= 2 && in[0] == '\r' && in[1] == '\n') {
    if (++impl.empty_lines > max_empty_lines) return refuse(400, "too many empty lines before a message");
    in = in.subspan(2);
    step.consumed += 2;
  }
  if (in.empty() || (!impl.started() && in.size() == 1 && in[0] == '\r')) return step;

  // The shortest chunked body takes five octets. Beast asserts that there are as many when it looks again at
  // a last chunk that is also the first.
  if (impl.head.framing == H1Framing::chunked && !impl.in_chunks && in.size() < 5) return step;

  impl.found = Step{};
  beast::error_code ec;
  const bool was_in_head = !impl.head_done();
  const std::size_t used = impl.put(in, ec);
  step.consumed += used;
  if (impl.refusal) return std::unexpected(*impl.refusal);
  if (ec && ec != error::need_more) return refuse(status_for(ec), "not valid HTTP/1.1: " + ec.message());
  if (was_in_head) {
    impl.head_bytes += used;
    const std::size_t waiting = impl.head_done() ? 0 : in.size() - used;
    // White space and a start line come on top of what the fields count.
    if (impl.head_bytes + waiting > impl.limits.max_section_size + impl.limits.max_path)
      return refuse(431, "the header section is too large");
  } else if (ec == error::need_more && in.size() - used > impl.limits.max_section_size) {
    return refuse(431, "the trailer section or a chunk header is too large");
  }
  step.head = impl.found.head;
  step.body = impl.found.body;
  if (step.head)
    if (const auto framing = impl.check_framing(); !framing) return std::unexpected(framing.error());
  step.done = impl.done();
  return step;
}

Result<> H1Parser::end() {
  if (!impl_->started() || !impl_->head_done())
    return refuse(400, "the connection ended inside a header section");
  beast::error_code ec;
  impl_->put_eof(ec);
  if (ec) return fail(ErrorKind::closed, "the connection ended before the message was complete");
  return {};
}

H1Head& H1Parser::head() {
  return impl_->head;
}
Fields& H1Parser::trailers() {
  return impl_->trailers;
}
bool H1Parser::in_message() const {
  return impl_->started() && !impl_->done();
}

}  // namespace sallyport::http
