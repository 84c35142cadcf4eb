#include "net/nftables.h"

#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include <nftables/libnftables.h>

namespace sallyport::net {
namespace {

/// "Could not process rule: No such file or directory" of "Error: Could not ...\nadd rule ...\n   ^^^\n";
/// there may be a place in front ("/dev/stdin:1:2-3: Error: ").
std::string first_error(std::string_view text) {
  constexpr std::string_view mark = "Error: ";
  if (const auto at = text.find(mark); at != std::string_view::npos) text.remove_prefix(at + mark.size());
  return std::string(text.substr(0, text.find('\n')));
}

}  // namespace

void Nftables::Free::operator()(nft_ctx* context) const {
  nft_ctx_free(context);
}

Nftables::Nftables(std::unique_ptr<nft_ctx, Free> context) : context_(std::move(context)) {}

Result<Nftables> Nftables::open() {
  std::unique_ptr<nft_ctx, Free> context(nft_ctx_new(NFT_CTX_DEFAULT));
  if (context == nullptr || nft_ctx_buffer_output(context.get()) != 0 ||
      nft_ctx_buffer_error(context.get()) != 0)
    return fail(ErrorKind::resource, "libnftables cannot be used: out of memory", ENOMEM);
  return Nftables(std::move(context));
}

Result<std::string> Nftables::output_of(const std::string& command) {
  const int status = nft_run_cmd_from_buffer(context_.get(), command.c_str());
  // Both buffers begin anew with each command, once they were read.
  const char* const output = nft_ctx_get_output_buffer(context_.get());
  const char* const errors = nft_ctx_get_error_buffer(context_.get());
  if (status == 0) return std::string(output == nullptr ? "" : output);
  std::string why = first_error(errors == nullptr ? "" : errors);
  if (why.empty()) why = "libnftables does not say why";
  // It gives no error number, only its text.
  const bool denied = why.ends_with(::strerrordesc_np(EPERM));
  return fail(denied ? ErrorKind::denied : ErrorKind::resource, "nftables: " + why, denied ? EPERM : 0);
}

Result<> Nftables::run(const std::string& commands) {
  if (auto done = output_of(commands); !done) return std::unexpected(std::move(done.error()));
  return {};
}

}  // namespace sallyport::net
