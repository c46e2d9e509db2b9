package com.dafnck.client;

import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.time.Instant;
import java.util.HexFormat;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/** Signs the calls of a service or operator, as "Signing calls between services" in ../../README.md says. */
public record ServiceSignature(String name, String secret) implements Authorization {
  private static final String ALGORITHM = "HmacSHA256";

  @Override
  public String header(String path) {
    return headerAt(path, Instant.now().getEpochSecond());
  }

  /** The header for a call at a given time. */
  public String headerAt(String path, long unixSeconds) {
    try {
      var mac = Mac.getInstance(ALGORITHM);
      mac.init(new SecretKeySpec(secret.getBytes(StandardCharsets.UTF_8), ALGORITHM));
      var code = mac.doFinal((name + "|" + unixSeconds + "|" + path).getBytes(StandardCharsets.UTF_8));
      return "Service " + name + "." + unixSeconds + "." + HexFormat.of().formatHex(code);
    } catch (GeneralSecurityException error) {
      throw new IllegalStateException(error);
    }
  }

  /** Without the secret. */
  @Override
  public String toString() {
    return "ServiceSignature[name=" + name + "]";
  }
}
