using System.Globalization;
using System.Net;
using System.Text;

namespace Dormouse.Simulation.Reports;

/// <param name="Points">In order of x.</param>
internal sealed record ChartLine(string Name, IReadOnlyList<(double X, double Y)> Points);

/// <summary>A chart as inline SVG: lines, or single points with their names. It scales with the page and needs nothing from outside.</summary>
internal sealed class SvgChart(string title, string xTitle, string yTitle, ChartAxis x, ChartAxis y)
{
    private const int Width = 900;
    private const int Height = 300;
    private const int Left = 76;
    private const int Right = 30;
    private const int Top = 14;
    private const int Bottom = 46;

    /// <summary>Told apart also by people who see few colours (Okabe and Ito), and one more.</summary>
    private static readonly string[] Colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8c564b"];

    private readonly StringBuilder _svg = new();

    public static string Colour(int index) => Colours[index % Colours.Length];

    /// <summary>A figure with a heading.</summary>
    public string Lines(IReadOnlyList<ChartLine> lines)
    {
        Open();
        for (var i = 0; i < lines.Count; i++)
        {
            var points = string.Join(' ', lines[i].Points.Select(p => $"{Text(X(p.X))},{Text(Y(p.Y))}"));
            _svg.Append($"<polyline fill=\"none\" stroke=\"{Colour(i)}\" stroke-width=\"1.6\" stroke-linejoin=\"round\" points=\"{points}\"><title>{WebUtility.HtmlEncode(lines[i].Name)}</title></polyline>");
        }

        return Close(lines.Count > 1 ? [.. lines.Select(l => l.Name)] : []);
    }

    /// <summary>One point a name.</summary>
    public string Points(IReadOnlyList<(string Name, double X, double Y)> points)
    {
        Open();
        for (var i = 0; i < points.Count; i++)
        {
            var (px, py) = (X(points[i].X), Y(points[i].Y));
            _svg.Append($"<circle cx=\"{Text(px)}\" cy=\"{Text(py)}\" r=\"5\" fill=\"{Colour(i)}\"><title>{WebUtility.HtmlEncode(points[i].Name)}</title></circle>");
            var isRight = px > Width * 0.6;
            _svg.Append($"<text x=\"{Text(isRight ? px - 9 : px + 9)}\" y=\"{Text(py - 7)}\" text-anchor=\"{(isRight ? "end" : "start")}\">{WebUtility.HtmlEncode(points[i].Name)}</text>");
        }

        return Close([]);
    }

    private void Open()
    {
        var head = WebUtility.HtmlEncode(title);
        _svg.Append($"<figure><h2>{head}</h2><svg viewBox=\"0 0 {Width} {Height}\" role=\"img\" aria-label=\"{head}\">");
        foreach (var (place, name) in y.Marks())
        {
            var at = Text(Height - Bottom - (place * (Height - Top - Bottom)));
            _svg.Append($"<line class=\"grid\" x1=\"{Left}\" x2=\"{Width - Right}\" y1=\"{at}\" y2=\"{at}\"/><text x=\"{Left - 8}\" y=\"{at}\" dy=\"4\" text-anchor=\"end\">{WebUtility.HtmlEncode(name)}</text>");
        }

        foreach (var (place, name) in x.Marks())
        {
            var at = Text(Left + (place * (Width - Left - Right)));
            _svg.Append($"<line class=\"mark\" x1=\"{at}\" x2=\"{at}\" y1=\"{Height - Bottom}\" y2=\"{Height - Bottom + 5}\"/><text x=\"{at}\" y=\"{Height - Bottom + 18}\" text-anchor=\"middle\">{WebUtility.HtmlEncode(name)}</text>");
        }

        _svg.Append($"<text class=\"axis\" x=\"{(Left + Width - Right) / 2}\" y=\"{Height - 8}\" text-anchor=\"middle\">{WebUtility.HtmlEncode(xTitle)}</text>");
        _svg.Append($"<text class=\"axis\" transform=\"translate(14 {(Top + Height - Bottom) / 2}) rotate(-90)\" text-anchor=\"middle\">{WebUtility.HtmlEncode(yTitle)}</text>");
    }

    private string Close(IReadOnlyList<string> names)
    {
        _svg.Append("</svg>");
        if (names.Count > 0)
        {
            var legend = names.Select((n, i) => $"<span><i style=\"background:{Colour(i)}\"></i>{WebUtility.HtmlEncode(n)}</span>");
            _svg.Append($"<figcaption>{string.Join(' ', legend)}</figcaption>");
        }

        return _svg.Append("</figure>\n").ToString();
    }

    private double X(double value) => Left + (x.Place(value) * (Width - Left - Right));

    private double Y(double value) => Height - Bottom - (y.Place(value) * (Height - Top - Bottom));

    private static string Text(double value) => value.ToString("0.#", CultureInfo.InvariantCulture);
}
