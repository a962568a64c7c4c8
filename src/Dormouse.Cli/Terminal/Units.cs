using System.Globalization;
using Dormouse.Protocol.Inference;

namespace Dormouse.Cli.Terminal;

/// <summary>Numbers as people read them. Always the invariant culture.</summary>
internal static class Units
{
    private static readonly string[] ByteUnits = ["B", "KB", "MB", "GB", "TB"];

    /// <summary>Decimal units, three digits: 31 KB, 1.4 MB.</summary>
    public static string Bytes(long bytes)
    {
        var value = (double)bytes;
        var unit = 0;
        while (value >= 999.5 && unit < ByteUnits.Length - 1)
        {
            value /= 1000;
            unit++;
        }

        return value.ToString(unit > 0 && value < 9.95 ? "0.0" : "0", CultureInfo.InvariantCulture) + " " + ByteUnits[unit];
    }

    /// <summary>One digit after the point below 100 (two below 0.1, so that it never reads as zero), none above.</summary>
    public static string Milliseconds(double ms) =>
        ms.ToString(ms is > 0 and < 0.095 ? "0.00" : ms < 100 ? "0.0" : "0", CultureInfo.InvariantCulture);

    public static string Number(double value, string format = "0.###") => value.ToString(format, CultureInfo.InvariantCulture);

    public static string Count(long value) => value.ToString("#,0", CultureInfo.InvariantCulture);

    /// <summary>Local date and time to the second; the date is left out for today.</summary>
    public static string Time(DateTimeOffset at, TimeProvider time)
    {
        var local = TimeZoneInfo.ConvertTime(at, time.LocalTimeZone);
        return local.ToString(local.Date == time.GetLocalNow().Date ? "HH:mm:ss" : "yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);
    }

    /// <summary>Local date and time, the date whatever day it is: for what is copied out or compared.</summary>
    public static string DateTime(DateTimeOffset at, TimeProvider time) =>
        TimeZoneInfo.ConvertTime(at, time.LocalTimeZone).ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);

    /// <summary><c>image float32[n,1,28,28]</c>; several unknown sizes stay apart by their own letters only where the model gives none: all are n.</summary>
    public static string Tensor(TensorInfo tensor) => Shown.Line(tensor.Name) + " " + TensorType(tensor);

    public static string TensorType(TensorInfo tensor) =>
        Datatype(tensor.Datatype) + "[" + string.Join(',', tensor.Shape.Select(s => s < 0 ? "n" : s.ToString(CultureInfo.InvariantCulture))) + "]";

    private static string Datatype(string protocolName) => protocolName switch
    {
        "FP16" => "float16",
        "FP32" => "float32",
        "FP64" => "float64",
        "BF16" => "bfloat16",
        "BYTES" => "string",
        _ => protocolName.ToLowerInvariant(),
    };
}
