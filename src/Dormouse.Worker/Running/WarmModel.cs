namespace Dormouse.Worker.Running;

/// <summary>
/// The model a worker warms itself with: a convolution, an activation and a product, so that the engine's registries and its usual kernels are
/// touched. A test writes the same model from its parts and holds these bytes against it.
/// </summary>
internal static class WarmModel
{
    internal static byte[] Bytes => Convert.FromBase64String(Text);

    private const string Text =
        "CAg6hgISBWdyYXBoChkKAXgKAWsSAWMaBm5vZGVfYyIEQ29udjoAChYKAWMSAXIaBm5vZGVfciIEUmVsdToAChkKAXISAWYaBm5vZGVfZiIHRmxhdHRlbjoA"
        + "ChsKAWYKAXcSAXkaBm5vZGVfeSIGTWF0TXVsOgAqMwgBCAEIAwgDEAFCAWtKJAAAAD4AAAA+AAAAPgAAAD4AAAA+AAAAPgAAAD4AAAA+AAAAPiorCAQIAhAB"
        + "QgF3SiAAAAAAAAAAPgAAgD4AAMA+AAAAPwAAID8AAEA/AABgP1obCgF4EhYKFAgBEhAKAggBCgIIAQoCCAQKAggEYhMKAXkSDgoMCAESCAoCCAEKAggCQgQK"
        + "ABAR";
}
