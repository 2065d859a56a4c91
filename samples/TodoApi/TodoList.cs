using System.Collections.Concurrent;
using Gatehouse.Authentication;
using Gatehouse.Permissions;

namespace TodoApi;

internal sealed record Todo(int Id, string Owner, string Text);

internal sealed record NewTodo(string Text);

/// <summary>In memory; in its place an application has its own database.</summary>
internal sealed class TodoList
{
    private readonly ConcurrentDictionary<int, Todo> todos = new();
    private int last;

    public int Count => todos.Count;

    public IEnumerable<Todo> Of(string owner) => todos.Values.Where(todo => todo.Owner == owner).OrderBy(todo => todo.Id);

    public Todo? Find(int id) => todos.GetValueOrDefault(id);

    public Todo Add(string owner, string text)
    {
        var todo = new Todo(Interlocked.Increment(ref last), owner, text);
        return todos[todo.Id] = todo;
    }

    public IResult Remove(Todo todo) => todos.TryRemove(todo.Id, out _) ? Results.NoContent() : Results.NotFound();

    public void Clear() => todos.Clear();
}

/// <summary>A permission of one's own: the class is all there is to it.</summary>
internal sealed class IsOwner : RequestPermission
{
    public override string Message => "This is not yours.";

    public override ValueTask<bool> AllowsAsync(HttpContext http) => new(true);

    public override ValueTask<bool> AllowsObjectAsync(HttpContext http, object target) => new(target is Todo todo && todo.Owner == http.GetUser()?.Username);
}
