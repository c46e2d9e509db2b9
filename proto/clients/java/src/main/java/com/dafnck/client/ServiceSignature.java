package com.dafnck.client;

import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.SecureRandom;
import java.security.Signature;
import java.security.spec.PKCS8EncodedKeySpec;
import java.time.Instant;
import java.util.Base64;
import java.util.HexFormat;

/** Signs the calls of a service or operator, as "Signing calls between services" in ../../README.md says. */
public record ServiceSignature(String name, PrivateKey key) implements Authorization {
  private static final String ALGORITHM = "Ed25519";
  private static final int NONCE_BYTES = 16;
  private static final SecureRandom RANDOM = new SecureRandom();

  /** With a key in PEM, as `openssl genpkey -algorithm ed25519` writes it. */
  public static ServiceSignature of(String name, String pem) throws GeneralSecurityException {
    var base64 = pem.replaceAll("-----[A-Z ]+-----", "");
    var encoded = new PKCS8EncodedKeySpec(Base64.getMimeDecoder().decode(base64));
    return new ServiceSignature(name, KeyFactory.getInstance(ALGORITHM).generatePrivate(encoded));
  }

  @Override
  public String header(String path) {
    var nonce = new byte[NONCE_BYTES];
    RANDOM.nextBytes(nonce);
    return headerAt(path, Instant.now().getEpochSecond(), nonce);
  }

  /** The header for a call at a given time, with a nonce of 16 bytes. */
  public String headerAt(String path, long unixSeconds, byte[] nonce) {
    var hex = HexFormat.of();
    var text = String.join("|", "dafnck-call", name, Long.toString(unixSeconds), hex.formatHex(nonce), path);
    try {
      var signature = Signature.getInstance(ALGORITHM);
      signature.initSign(key);
      signature.update(text.getBytes(StandardCharsets.UTF_8));
      return "Service " + name + "." + unixSeconds + "." + hex.formatHex(nonce) + "." + hex.formatHex(signature.sign());
    } catch (GeneralSecurityException error) {
      throw new IllegalStateException(error);
    }
  }

  /** Without the key. */
  @Override
  public String toString() {
    return "ServiceSignature[name=" + name + "]";
  }
}
