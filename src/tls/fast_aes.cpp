#include "tls/fast_aes.h"

#include <cstdlib>

#if SALLYPORT_IPSEC_MB

#include <gnutls/gnutls.h>
#include <intel-ipsec-mb.h>

namespace sallyport::tls {
namespace {

struct FreeManager {
  void operator()(IMB_MGR* manager) const { free_mb_mgr(manager); }
};
using Manager = std::unique_ptr<IMB_MGR, FreeManager>;

Manager make_manager() {
  constexpr std::uint64_t vector_aes = IMB_FEATURE_VAES | IMB_FEATURE_VPCLMULQDQ;
  Manager manager(alloc_mb_mgr(0));
  if (!manager || (manager->features & vector_aes) != vector_aes) return nullptr;
  init_mb_mgr_auto(manager.get(), nullptr);
  return imb_get_errno(manager.get()) == 0 ? std::move(manager) : nullptr;
}

/// Null without vector AES. Only its function pointers are used, so all threads share it.
IMB_MGR* manager() {
  static const Manager only = make_manager();
  return only.get();
}

}  // namespace

bool has_fast_aes_gcm() {
  return manager() != nullptr;
}

struct FastAesGcm::Key {
  gcm_key_data data;
};

FastAesGcm::FastAesGcm(std::span<const std::uint8_t, aes_128_key_size> key) : key_(std::make_unique<Key>()) {
  IMB_AES128_GCM_PRE(manager(), key.data(), &key_->data);
}

FastAesGcm::~FastAesGcm() {
  gnutls_memset(key_.get(), 0, sizeof(Key));
}

void FastAesGcm::seal(std::uint8_t* out, Bytes plain, Bytes nonce, Bytes header) const {
  gcm_context_data context;
  IMB_AES128_GCM_ENC(manager(), &key_->data, &context, out, plain.data(), plain.size(), nonce.data(),
                     header.data(), header.size(), out + plain.size(), aes_gcm_tag_size);
}

void FastAesGcm::seal(std::uint8_t* out, std::span<const Bytes> pieces, Bytes nonce, Bytes header) const {
  gcm_context_data context;
  IMB_AES128_GCM_INIT(manager(), &key_->data, &context, nonce.data(), header.data(), header.size());
  for (const Bytes piece : pieces) {
    IMB_AES128_GCM_ENC_UPDATE(manager(), &key_->data, &context, out, piece.data(), piece.size());
    out += piece.size();
  }
  IMB_AES128_GCM_ENC_FINALIZE(manager(), &key_->data, &context, out, aes_gcm_tag_size);
}

bool FastAesGcm::open(std::uint8_t* out, Bytes sealed, Bytes nonce, Bytes header) const {
  gcm_context_data context;
  const std::size_t size = sealed.size() - aes_gcm_tag_size;
  std::array<std::uint8_t, aes_gcm_tag_size> tag;
  IMB_AES128_GCM_DEC(manager(), &key_->data, &context, out, sealed.data(), size, nonce.data(), header.data(),
                     header.size(), tag.data(), tag.size());
  return gnutls_memcmp(tag.data(), sealed.data() + size, tag.size()) == 0;
}

FastAesHeaderMask::FastAesHeaderMask(std::span<const std::uint8_t, aes_128_key_size> key) {
  alignas(16) std::array<std::uint8_t, rounds * 16> for_decryption;
  IMB_AES_KEYEXP_128(manager(), key.data(), expanded_.data(), for_decryption.data());
  gnutls_memset(for_decryption.data(), 0, for_decryption.size());
}

FastAesHeaderMask::~FastAesHeaderMask() {
  gnutls_memset(expanded_.data(), 0, expanded_.size());
}

std::array<std::uint8_t, FastAesHeaderMask::sample_size> FastAesHeaderMask::mask(
    const std::uint8_t* sample) const {
  // One block of CFB over zeros is the AES-ECB of the sample; the library has no ECB call.
  static constexpr std::array<std::uint8_t, sample_size> zeros{};
  std::array<std::uint8_t, sample_size> result;
  IMB_AES128_CFB_ONE(manager(), result.data(), zeros.data(), sample, expanded_.data(), result.size());
  return result;
}

}  // namespace sallyport::tls

#else

namespace sallyport::tls {

struct FastAesGcm::Key {};

bool has_fast_aes_gcm() {
  return false;
}
FastAesGcm::FastAesGcm(std::span<const std::uint8_t, aes_128_key_size>) {
  std::abort();
}
FastAesGcm::~FastAesGcm() = default;
void FastAesGcm::seal(std::uint8_t*, Bytes, Bytes, Bytes) const {}
void FastAesGcm::seal(std::uint8_t*, std::span<const Bytes>, Bytes, Bytes) const {}
bool FastAesGcm::open(std::uint8_t*, Bytes, Bytes, Bytes) const {
  return false;
}
FastAesHeaderMask::FastAesHeaderMask(std::span<const std::uint8_t, aes_128_key_size>) {
  std::abort();
}
FastAesHeaderMask::~FastAesHeaderMask() = default;
std::array<std::uint8_t, FastAesHeaderMask::sample_size> FastAesHeaderMask::mask(const std::uint8_t*) const {
  return {};
}

}  // namespace sallyport::tls

#endif
