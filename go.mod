module example.com/telegram

go 1.25.0
